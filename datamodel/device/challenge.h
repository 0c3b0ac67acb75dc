/* SPDX-License-Identifier: BSD-3-Clause */
/* Device.LocalAgent.ControllerTrust.RequestChallenge() and ChallengeResponse(): run functions for the declaration. */
#ifndef DATAMODEL_DEVICE_CHALLENGE_H
#define DATAMODEL_DEVICE_CHALLENGE_H

#include "datamodel/dm.h"

extern const struct dm_arg model_request_challenge_inputs[], model_request_challenge_outputs[],
    model_challenge_response_inputs[];
int model_request_challenge(struct dm_call *call, struct error *err);
int model_challenge_response(struct dm_call *call, struct error *err);

#endif
