/* Fits a Gaussian mixture to a file and asks it how likely two new rows are. */
#include <likely/likely.h>
#include <stdio.h>

int main(void)
{
    const double x[] = {2.0, 50.0, 3.0, 90.0}; /* two rows: eruptions and waiting, in minutes */
    double log_density[2];
    lk_context *context = NULL;
    lk_table *table = NULL;
    lk_model *model = NULL;
    int ok = lk_context_new(&context, NULL) == LK_OK
             && lk_table_read(context, "examples/data/faithful.csv", NULL, &table) == LK_OK
             && lk_model_fit(context, "gmm", table, NULL, &model) == LK_OK
             && lk_model_log_density(context, model, x, 2, log_density) == LK_OK;
    if (ok) {
        printf("log density: %.3f and %.3f nats\n", log_density[0], log_density[1]);
    } else {
        fprintf(stderr, "%s\n", lk_error_message(context));
    }
    lk_model_free(model);
    lk_table_free(table);
    lk_context_free(context);
    return ok ? 0 : 1;
}
