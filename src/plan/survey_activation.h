/* What the survey sees of a weight's activation parameters: what becomes of them, and whether they follow from each other as they must. */
#ifndef REPAQ_SURVEY_ACTIVATION_H
#define REPAQ_SURVEY_ACTIVATION_H

#include "plan/scratch.h"
#include "plan/survey.h"

/* Of the weight `index`, whose scales have been surveyed. aims may be NULL. */
enum status survey_activation(const struct fetch *fetch, const struct aims *aims, uint32_t index, struct scratch *scratch, struct survey_weight *result,
                              struct err *err) WARN_UNUSED;

#endif
