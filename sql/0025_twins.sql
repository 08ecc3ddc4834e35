-- 0025_twins -- equal files of one owner share their bytes on disk: peal-media asks which upload of mine has this digest.
--
-- The newest first, since an older one may be damaged by now. Those that are to go are not asked about: their files may have gone.

CREATE INDEX attachment_twin ON attachment (owner_id, digest, created_at DESC) WHERE digest IS NOT NULL AND deleted_at IS NULL;
