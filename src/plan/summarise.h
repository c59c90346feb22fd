/* What config.json must say of a planned checkpoint. */
#ifndef REPAQ_SUMMARISE_H
#define REPAQ_SUMMARISE_H

#include "plan/plan.h"

/* Fills *summary; its arrays live in the plan's arena. */
enum status summarise_plan(struct plan *plan, struct summary *summary, struct err *err) WARN_UNUSED;

#endif
