/* SPDX-License-Identifier: MIT */
/* XEP-0313 Message Archive Management: the archives of accounts. */
#ifndef MODULES_XEP0313_MAM_H
#define MODULES_XEP0313_MAM_H

#include "modules/xep0441_mam_prefs.h"

struct iq;

/* Answers whoever asks about an archive that is not his, whether there is one or not. */
void mam_refuse_stranger(struct iq *iq);

#endif
