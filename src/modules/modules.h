/* SPDX-License-Identifier: MIT */
/* What every module includes: the interface, and the modules by name. */
#ifndef MODULES_MODULES_H
#define MODULES_MODULES_H

#include "server/module.h"

#define MODULE(symbol) extern const struct module symbol;
#include "modules/modules.def"
#undef MODULE

#endif
