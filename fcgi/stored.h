/*
 * stored -- the account at the object store, by which leave is given to read what peal-media has put there.
 */
#ifndef PEAL_FCGI_STORED_H
#define PEAL_FCGI_STORED_H

#include "s3/sign.h"

/* Once per process, and at each reload: reads the account, if files go to an object store. 0, INVALID (the key file's form), or a fault; it
 * then keeps what it has. */
int stored_open(const struct conf *);
/* NULL: files are on disk. */
const struct s3_account *stored_account(void);

#endif
