/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Private to this folder: a job whose URL names a release. The file that came is verified on a worker, the image is fetched
 * by its digest or taken out, and the release is durable before the slot becomes Available. An activation opens the release
 * again: what it says then counts.
 */
#ifndef FIRMWARE_JOB_RELEASE_H
#define FIRMWARE_JOB_RELEASE_H

#include "firmware/manager.h"

/* What the URL gave has come. True: it is a release, and goes on from here; false: it is a bare image. */
bool release_begin(struct firmware_job *job, struct firmware_image *image);
/* Another file that a release needs has come, or could not be had. */
bool release_fetching(const struct firmware_job *job);
void release_fetched(struct firmware_job *job, enum fetch_result result, struct firmware_image *image,
                     const struct error *cause);
/* For args_of(): what is being fetched now; NULL: the job's own URL. */
const char *release_url(const struct firmware_job *job, struct verify_checksum *ret_checksum,
                        uint64_t *ret_size);
/* The job leaves this: nothing pinned, nothing under way. */
void release_leave(struct firmware_job *job);

/*
 * May the image of the job's slot be installed now, by its release and by the policy of its vendor? 1: yes; 0: not yet,
 * *ret_what for *ret_ms; -1 and err: never.
 */
int release_allows(struct firmware_job *job, enum waits_for *ret_what, uint64_t *ret_ms, struct error *err);
/* Verifies it once more, whatever was seen before. -1 and err. */
int release_recheck(struct firmware_job *job, struct error *err);
/* It was verified against the anchors and the policy of now. */
bool release_is_seen(const struct firmware_job *job);

#endif
