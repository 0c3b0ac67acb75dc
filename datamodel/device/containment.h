/* SPDX-License-Identifier: BSD-3-Clause */
/* Data of Device.LocalAgent.X_HOMEPATCH_Containment.: which walls stand around the process. Set by the wiring once they do. */
#ifndef DATAMODEL_DEVICE_CONTAINMENT_H
#define DATAMODEL_DEVICE_CONTAINMENT_H

#include <stdbool.h>
#include <stdint.h>

struct model_containment {
    char user[32];          /* whose the process is */
    char hook_user[32];     /* whose the process is that runs hooks; "": there is none */
    bool no_new_privileges; /* this one and the next as the kernel tells, whoever raised them */
    bool calls_filtered;
    uint32_t landlock; /* the kernel's version of what the agent raised; 0: nothing */
};

#endif
