/* Split-and-merge moves from one optimum of a mixture to a better one. */
#ifndef LIKELY_MOVES_H
#define LIKELY_MOVES_H

#include "search.h"

/* Two components that share rows are merged and a third one is split in two, and EM runs again (Ueda, Nakano, Ghahramani and Hinton 2000,
 * Neural Computation 12:2109-2128); the result replaces *best and *result where it is not degenerate and its objective is higher by more
 * than the tolerance of both, until no candidate is, or search->moves were accepted. Pairs are ranked by the cosine of the angle between
 * their responsibilities (the inner product of the paper divided by the lengths, so that a component of few rows counts; where one is
 * degenerate, only pairs with it), the others by the divergence of the rows that they are responsible for from their density. Up to 12
 * combinations that rank high in both are tried on the sample, the best few of them on all rows. A component is split along the longest
 * axis of its rows. Fewer than three components allow no move. Cost: as many starts. */
lk_status lki_moves_run(lk_context *ctx, const lki_em_data *data, const lki_sample *sample, const lki_search *search, lki_mixture **best,
                        lki_em_result *result, lki_tally *tally) LK_NODISCARD;

#endif
