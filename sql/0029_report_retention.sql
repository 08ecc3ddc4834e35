-- 0029_report_retention -- closed reports are kept for a time (report_retention_days). Their files went when they were closed.

CREATE INDEX report_closed ON report (handled_at) WHERE state IN ('resolved', 'dismissed');
GRANT DELETE ON report TO peal;
