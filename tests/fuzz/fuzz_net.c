/* Any bytes as a net's description: it is refused with a message, or it is a net whose full description makes the same net again. */
#include "fuzz_text.h"
#include <likely/nets.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lk_context *ctx = NULL;
    lk_net *net = NULL, *again = NULL;
    char *text = fuzz_text(data, size);
    if (text == NULL || lk_context_new(&ctx, NULL) != LK_OK) {
        free(text);
        return 0;
    }
    if (lk_net_new(ctx, text, &net) == LK_OK) {
        require(lk_net_parameter_count(net) >= 1 && lk_net_size(net) >= 1);
        require(lk_net_new(ctx, lk_net_description(net), &again) == LK_OK);
        require(strcmp(lk_net_description(net), lk_net_description(again)) == 0);
        require(lk_net_parameter_count(net) == lk_net_parameter_count(again) && lk_net_size(net) == lk_net_size(again));
    } else {
        require(net == NULL && strlen(lk_error_message(ctx)) > 0);
    }
    lk_net_free(again);
    lk_net_free(net);
    lk_context_free(ctx);
    free(text);
    return 0;
}
