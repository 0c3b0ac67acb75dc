/* SPDX-License-Identifier: BSD-3-Clause */
/* What the played USP device answers, by what its struct says. Between uspdev_bench.c and uspdev_answers.c only. */
#ifndef TESTS_UNIT_USPDEV_ANSWERS_H
#define TESTS_UNIT_USPDEV_ANSWERS_H

#include "tests/unit/uspdev_bench.h"

/* A buffer with headroom, for content. */
void uspdev_begin(struct buf *buf);
/* Message and record around the content; kind and type as in the .proto. */
void uspdev_say(struct uspdev_bench *bench, struct buf *content, struct str msg_id, unsigned type,
                unsigned body, unsigned kind);
/* Appends to bench->asked. */
void uspdev_note(struct uspdev_bench *bench, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

void uspdev_answer_info(struct uspdev_bench *bench, struct str msg_id);
void uspdev_answer_subscriptions(struct uspdev_bench *bench, struct str msg_id);
void uspdev_answer_supported(struct uspdev_bench *bench, struct str msg_id);
void uspdev_answer_protocol(struct uspdev_bench *bench, struct str msg_id);
void uspdev_answer_add(struct uspdev_bench *bench, struct str msg_id, struct str content);
void uspdev_answer_operate(struct uspdev_bench *bench, struct str msg_id, struct str content);

#endif
