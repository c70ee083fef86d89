/* likely: learn a probability distribution from data, then ask it anything. The one header a user includes. */
#ifndef LIKELY_LIKELY_H
#define LIKELY_LIKELY_H

#include <likely/context.h>
#include <likely/derived.h>
#include <likely/describe.h>
#include <likely/judge.h>
#include <likely/export.h>
#include <likely/grad.h>
#include <likely/kmeans.h>
#include <likely/model.h>
#include <likely/neighbours.h>
#include <likely/nets.h>
#include <likely/registry.h>
#include <likely/report.h>
#include <likely/score.h>
#include <likely/select.h>
#include <likely/table.h>
#include <likely/test.h>
#include <likely/transfer.h>
#include <likely/uncertainty.h>

#endif
