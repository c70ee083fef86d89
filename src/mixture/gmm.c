/* The method gmm: a mixture of K Gaussians by maximum likelihood, with K and the covariance family chosen by a criterion. */
#include "gmm.h"
#include "model/survey.h"
#include "hierarchical.h"
#include "noise.h"
#include "partition.h"
#include "search.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Rows on which starts are tried: at least so many, and so many for each component. */
enum { SAMPLE_ROWS = 20000, SAMPLE_ROWS_A_COMPONENT = 500 };
/* Up to so many rows, starts from hierarchical partitions join the default ones. */
enum { TREES_JOIN_ROWS = 2000 };
/* Share of rows that --criterion held-out keeps out. */
#define HELD_OUT_SHARE 0.2

static const lk_parameter parameters[] = {
    {"components", LK_PARAMETER_RANGE, "1..9", 1, 100000, NULL, "K", "number of components: 3, 1..9 or 2,4,8; the criterion chooses"},
    {"covariance", LK_PARAMETER_CHOICES, "full", 0, 0,
     "full,tied,diag,spherical,EII,VII,EEI,VEI,EVI,VVI,EEE,VEE,EVE,VVE,EEV,VEV,EVV,VVV,E,V,all", NULL,
     "covariance families to try: volume, shape, orientation Equal, Variable or I; full = VVV, tied = EEE, diag = VVI, spherical = VII; "
     "E, V for one feature; all tries each"},
    {"init", LK_PARAMETER_CHOICE, "kmeans++", 0, 0, "kmeans++,random,hierarchical", NULL,
     "how EM is started; unless asked for, kmeans++ is joined by hierarchical up to 2000 rows"},
    {"restarts", LK_PARAMETER_INTEGER, "0", 0, 100000, NULL, "N", "number of starts; 0 = 20 up to 2000 rows, else 10"},
    {"moves", LK_PARAMETER_INTEGER, "0", 0, 100000, NULL, "N",
     "after the best start, merge two components and split a third wherever EM then ends higher (Ueda et al. 2000); N = how often at most"},
    {"max_iter", LK_PARAMETER_INTEGER, "1000", 0, 1e9, NULL, "N", "EM iterations at most"},
    {"tol", LK_PARAMETER_REAL, "1e-7", 0, 1, NULL, "X",
     "converged when the rise still to come, by Aitken's rule, is below X (1 + |log-likelihood|); 0 = exactly max_iter iterations"},
    {"criterion", LK_PARAMETER_CHOICE, "bic", 0, 0, "bic,icl,aic,held-out", NULL,
     "what chooses among fits, larger is better; held-out = log-likelihood of a fifth of the rows"},
    {"prior", LK_PARAMETER_CHOICE, "none", 0, 0, "none,normal_wishart", NULL,
     "normal_wishart: the weak conjugate prior of Fraley and Raftery (2007) against collapse"},
    {"noise", LK_PARAMETER_FLAG, "false", 0, 0, NULL, NULL,
     "a further component, uniform over the smallest box that holds the rows, as transformed; its weight is estimated"},
    {"freeze", LK_PARAMETER_CHOICES, NULL, 0, 0, "weights,means,covariances", NULL, "parameters kept as the start model has them"},
};

/* One row of the search table, and what stands behind it. */
typedef struct fit_record {
    lki_mixture *mixture; /* standardized units */
    lki_em_result result;
    lki_tally tally;
    double n, parameters, bic, icl, aic, held_out;
} fit_record;

/* What the starts of a search begin from. */
typedef struct ground {
    lki_sample sample, clean; /* the latter with noise */
    struct lki_hierarchy *trees, *clean_trees; /* NULL = no starts from trees */
    int32_t *labels; /* of the sample's rows in the given partition; NULL = none is given */
} ground;

typedef struct fit_state {
    lk_context *ctx;
    const lki_fit_task *task;
    lki_em_data data, train, test; /* train and test only for the held-out criterion */
    lki_dataset train_rows, test_rows;
    ground ground, train_ground;
    lki_partition partition; /* K = 0: none */
    double test_log_jacobian; /* of the transform, summed over the test rows */
    lki_search search;
    double *prior_scale;
    const char *criterion;
    fit_record best;
    int improved; /* the best came from the families searched last, and is still in standardized units */
    json_t *table;
} fit_state;

/* ---- options ---- */

static lk_status read_options(fit_state *f)
{
    const lki_values *v = f->task->values;
    const double d = (double)f->task->data->d;
    f->search.random = strcmp(lki_value_text(v, "init"), "random") == 0;
    f->search.trees_only = strcmp(lki_value_text(v, "init"), "hierarchical") == 0;
    f->search.restarts = lki_value_integer(v, "restarts");
    f->search.moves = lki_value_integer(v, "moves");
    f->search.seed = f->task->seed;
    f->search.em.tol = lki_value_real(v, "tol");
    f->search.em.max_iter = lki_value_integer(v, "max_iter");
    f->search.em.give_up = f->search.em.tol > 0.0;
    f->search.em.stage = "em";
    f->criterion = lki_value_text(v, "criterion");
    if (strcmp(lki_value_text(v, "prior"), "normal_wishart") == 0) {
        f->search.em.prior.kappa = 0.01;
        f->search.em.prior.nu = d + 2.0;
    }
    if (f->search.moves > 0 && f->task->start != NULL && f->task->refit == LKI_REFIT_NONE) {
        return lki_fail(f->ctx, LK_ERROR_ARGUMENT, "moves are part of a search over starts, and a start model is given; leave out --moves or "
                                                   "--start");
    }
    if (lki_value_is_set(v, "freeze")) {
        f->search.em.freeze = (lki_value_has(v, "freeze", "weights") ? LKI_FREEZE_WEIGHTS : 0u) |
                              (lki_value_has(v, "freeze", "means") ? LKI_FREEZE_MEANS : 0u) |
                              (lki_value_has(v, "freeze", "covariances") ? LKI_FREEZE_COVARIANCES : 0u);
        if (f->task->start == NULL) {
            return lki_fail(f->ctx, LK_ERROR_ARGUMENT, "freeze keeps parameters of a start model, and there is none; give one by --start");
        }
    }
    return LK_OK;
}

/* The prior's scale matrix for K components: the total covariance shrunk by K^(2/d). */
static lk_status set_prior(fit_state *f, const lki_em_data *data, int64_t K)
{
    const int64_t d = data->d;
    if (!(f->search.em.prior.kappa > 0.0)) {
        return LK_OK;
    }
    double *scale;
    LKI_TRY(lki_allocate(f->ctx, (size_t)d, (size_t)d * sizeof(double), &scale));
    for (int64_t i = 0; i < d * d; i++) {
        scale[i] = data->scatter[i] / data->total / pow((double)K, 2.0 / (double)d);
    }
    lki_release(f->ctx, f->prior_scale);
    f->prior_scale = scale;
    f->search.em.prior.scale = scale;
    return LK_OK;
}

/* ---- units ---- */

/* mean' = centre + mean / scale, covariance'_ij = covariance_ij / (scale_i scale_j); scales are powers of two. `inverse` goes back. */
static void change_units(lki_mixture *m, const lki_em_data *data, int inverse)
{
    const int64_t d = m->d, dd = d * d, matrices = lki_mixture_matrices(m);
    for (int64_t i = 0; i < m->K * d; i++) {
        const double c = data->centre[i % d], s = data->scale[i % d];
        m->means[i] = inverse ? (m->means[i] - c) * s : c + m->means[i] / s;
    }
    if (m->covariance->form == LKI_FORM_FULL || m->covariance->form == LKI_FORM_TIED) {
        for (int64_t i = 0; i < matrices * dd; i++) {
            const double s = data->scale[i % dd / d] * data->scale[i % d];
            m->covariances[i] = inverse ? m->covariances[i] * s : m->covariances[i] / s;
        }
    } else if (m->covariance->form == LKI_FORM_DIAG) {
        for (int64_t i = 0; i < m->K * d; i++) {
            const double s = data->scale[i % d] * data->scale[i % d];
            m->covariances[i] = inverse ? m->covariances[i] * s : m->covariances[i] / s;
        }
    } else {
        const double s = data->scale[0] * data->scale[0]; /* one for all features, see to_common_scale */
        for (int64_t k = 0; k < m->K; k++) {
            m->covariances[k] = inverse ? m->covariances[k] * s : m->covariances[k] / s;
        }
    }
    if (m->noise) {
        const double *box = data->box + (inverse ? 2 * d : 0);
        lki_mixture_set_noise(m, *m->uniform, box, box + d);
    }
}

/* A round covariance is round in the data's own units, and axes are turned in them: every feature gets the largest spread's scale. */
static void to_common_scale(lki_em_data *data)
{
    const int64_t d = data->d;
    double least = __builtin_inf(), observed = 0.0;
    for (int64_t j = 0; j < d; j++) {
        if (data->scatter[j * (d + 1)] > 0.0) {
            least = fmin(least, data->scale[j]);
        }
    }
    least = isfinite(least) ? least : 1.0;
    for (int64_t i = 0; i < d * d; i++) {
        data->scatter[i] *= least / data->scale[i / d] * (least / data->scale[i % d]);
    }
    for (int64_t j = 0; j < d; j++) {
        data->scale[j] = least;
        observed += data->observed[j];
    }
    data->log_jacobian = observed * log(least);
}

/* ---- one fit ---- */

/* The free parameters of a fit that keeps some as its start has them. */
static double free_parameters(const lki_mixture *m, unsigned freeze)
{
    double all = lki_mixture_free_parameters(m);
    all -= freeze & LKI_FREEZE_WEIGHTS ? (double)(m->K - 1 + m->noise) : 0.0;
    all -= freeze & LKI_FREEZE_MEANS ? (double)(m->K * m->d) : 0.0;
    all -= freeze & LKI_FREEZE_COVARIANCES ? lki_covariance_parameters(m->covariance, m->K, m->d) : 0.0;
    return all;
}

static void score_fit(fit_record *r, unsigned freeze, double n)
{
    const double ll = r->result.log_likelihood;
    r->n = n;
    r->parameters = free_parameters(r->mixture, freeze);
    r->bic = 2.0 * ll - r->parameters * log(n);
    r->aic = 2.0 * ll - 2.0 * r->parameters;
    r->icl = r->bic - 2.0 * r->result.entropy;
}

static double criterion_of(const fit_state *f, const fit_record *r)
{
    return strcmp(f->criterion, "icl") == 0       ? r->icl
           : strcmp(f->criterion, "aic") == 0     ? r->aic
           : strcmp(f->criterion, "held-out") == 0 ? r->held_out
                                                  : r->bic;
}

/* In the data's units, as the model's own report. */
static json_t *table_row(const fit_record *r, double log_jacobian)
{
    return json_pack("{s:I, s:s, s:f, s:f, s:f, s:f, s:b, s:b}", "components", (json_int_t)r->mixture->K, "covariance",
                     r->mixture->covariance->name, "log_likelihood", r->result.log_likelihood + log_jacobian, "bic",
                     r->bic + 2.0 * log_jacobian, "icl", r->icl + 2.0 * log_jacobian, "aic", r->aic + 2.0 * log_jacobian, "converged",
                     r->result.converged, "degenerate", r->result.defect >= 0);
}

/* Takes over the record's mixture: keeps it if it is the best so far, else frees it. A degenerate fit is kept only where there is no
 * other. */
static lk_status consider(fit_state *f, fit_record *r)
{
    json_t *row = table_row(r, f->task->log_jacobian);
    int failed = row == NULL;
    if (!failed && strcmp(f->criterion, "held-out") == 0) {
        failed = json_object_set_new(row, "held_out", isfinite(r->held_out) ? json_real(r->held_out) : json_null()) != 0;
    }
    failed = failed || json_array_append(f->table, row) != 0;
    json_decref(row);
    if (failed) {
        lki_mixture_free(r->mixture);
        return lki_fail(f->ctx, LK_ERROR_MEMORY, "out of memory for the table of fits");
    }
    const int sound = r->result.defect < 0, best_sound = f->best.mixture != NULL && f->best.result.defect < 0;
    if (f->best.mixture == NULL || (sound && !best_sound) || (sound == best_sound && criterion_of(f, r) > criterion_of(f, &f->best))) {
        lki_mixture_free(f->best.mixture);
        f->best = *r;
        f->improved = 1;
    } else {
        lki_mixture_free(r->mixture);
    }
    return LK_OK;
}

static lk_status search(fit_state *f, const lki_em_data *data, const ground *g, lki_mixture **out, lki_em_result *result,
                        lki_tally *tally, int64_t *distinct)
{
    f->search.hierarchy = g->trees;
    f->search.clean = &g->clean;
    f->search.clean_hierarchy = g->clean_trees;
    f->search.labels = g->labels;
    return lki_search_run(f->ctx, data, &g->sample, &f->search, out, result, tally, distinct);
}

/* Mean log density of the held-out rows under the search's best fit to the others; -inf where that is degenerate or the other rows
 * have fewer distinct values than components. */
static lk_status held_out(fit_state *f, double *out)
{
    lki_mixture *m = NULL;
    lki_em_result result;
    lki_tally tally;
    int64_t distinct;
    LKI_TRY(set_prior(f, &f->train, f->search.K));
    lk_status status = search(f, &f->train, &f->train_ground, &m, &result, &tally, &distinct);
    if (status == LK_ERROR_DATA && distinct < f->search.K) {
        lki_begin(f->ctx);
        *out = -__builtin_inf();
        return LK_OK;
    }
    LKI_TRY(status);
    lki_em_data test = f->train; /* the training rows' units, the test rows */
    test.rows = &f->test_rows;
    test.total = f->test.total;
    test.gaps = f->test.gaps;
    test.log_jacobian = 0.0;
    for (int64_t j = 0; j < test.d; j++) {
        test.log_jacobian += f->test.observed[j] * log(test.scale[j]);
    }
    double ll;
    status = lki_em_log_likelihood(f->ctx, &test, m, &ll);
    if (status == LK_OK) {
        *out = result.defect < 0 ? (ll + f->test_log_jacobian) / test.total : -__builtin_inf();
    }
    lki_mixture_free(m);
    return status;
}

static lk_status fit_one(fit_state *f, int64_t K, const lki_covariance *covariance, int only)
{
    fit_record r = {.held_out = __builtin_nan("")};
    int64_t distinct;
    f->search.K = K;
    f->search.covariance = covariance;
    LKI_TRY(set_prior(f, &f->data, K));
    lk_status status = search(f, &f->data, &f->ground, &r.mixture, &r.result, &r.tally, &distinct);
    if (status == LK_ERROR_DATA && distinct < K && !only) {
        lki_begin(f->ctx); /* a K of a range that the rows cannot carry is passed over */
        return LK_OK;
    }
    LKI_TRY(status);
    score_fit(&r, f->search.em.freeze, f->data.total);
    if (strcmp(f->criterion, "held-out") == 0 && !only) {
        status = held_out(f, &r.held_out);
        if (status != LK_OK) {
            lki_mixture_free(r.mixture);
            return status;
        }
    }
    return consider(f, &r);
}

/* ---- the search over K and families, or one run from a start ---- */

/* The trees of a sample where starts from them are asked for or join the default ones. */
static lk_status grow_trees(fit_state *f, const lki_sample *sample, int64_t most_components, struct lki_hierarchy **out)
{
    if (sample->plain.rows.rows < 2) {
        return LK_OK;
    }
    const lki_values *v = f->task->values;
    const int join = !lki_value_is_set(v, "init") && f->search.restarts == 0 && f->search.em.tol > 0.0 &&
                     f->data.positive <= (double)TREES_JOIN_ROWS;
    if (most_components > 1 && (join || f->search.trees_only)) {
        const double *white = sample->white.table == NULL ? NULL : sample->white.values;
        return lki_hierarchy_new(f->ctx, sample->plain.values, white, sample->plain.rows.rows, f->task->data->d, f->search.seed, out);
    }
    return LK_OK;
}

/* What is known of the rows of positive weight, and what starts begin from. */
static lk_status survey(fit_state *f, const lki_dataset *rows, int common_scale, int64_t most_components, lki_em_data *data, ground *g)
{
    const int64_t most = SAMPLE_ROWS_A_COMPONENT * most_components > SAMPLE_ROWS ? SAMPLE_ROWS_A_COMPONENT * most_components : SAMPLE_ROWS;
    LKI_TRY(lki_em_data_new(f->ctx, rows, f->task->names, data));
    if (common_scale) {
        to_common_scale(data);
    }
    LKI_TRY(lki_sample_new(f->ctx, data, most, f->search.seed, &g->sample));
    if (lki_value_flag(f->task->values, "noise")) {
        LKI_TRY(lki_noise_box(f->ctx, f->task->names, NULL, data));
    }
    if (f->partition.K > 0) {
        const int64_t count = g->sample.plain.rows.rows;
        LKI_TRY(lki_allocate(f->ctx, (size_t)count, sizeof *g->labels, &g->labels));
        return lki_partition_labels(f->ctx, &f->partition, rows, g->sample.numbers, count, g->labels);
    }
    if (lki_value_flag(f->task->values, "noise")) {
        LKI_TRY(lki_sample_clean(f->ctx, &g->sample, f->search.seed, &g->clean));
        LKI_TRY(grow_trees(f, &g->clean, most_components, &g->clean_trees));
    }
    return grow_trees(f, &g->sample, most_components, &g->trees);
}

static lk_status prepare(fit_state *f, int common_scale, int64_t most_components)
{
    const lki_fit_task *task = f->task;
    LKI_TRY(survey(f, task->data, common_scale, most_components, &f->data, &f->ground));
    if (strcmp(f->criterion, "held-out") != 0) {
        return LK_OK;
    }
    f->train_rows = f->test_rows = *task->data;
    f->train_rows.mask = (lki_mask){.kind = 1, .share = HELD_OUT_SHARE, .group = 1, .seed = f->search.seed};
    f->test_rows.mask = f->train_rows.mask;
    f->test_rows.mask.kind = 2;
    if (task->data->mask.kind != 0) {
        return lki_fail(f->ctx, LK_ERROR_ARGUMENT, "--criterion held-out cannot be combined with --holdout or --folds; choose one");
    }
    LKI_TRY(survey(f, &f->train_rows, common_scale, most_components, &f->train, &f->train_ground));
    LKI_TRY(lki_em_data_new(f->ctx, &f->test_rows, task->names, &f->test));
    if (task->data->transform != NULL) {
        lki_dataset raw = f->test_rows;
        raw.transform = NULL;
        LKI_TRY(lki_survey_jacobian(f->ctx, &raw, task->data->transform, &f->test_log_jacobian));
    }
    return LK_OK;
}

static void ground_free(lk_context *ctx, ground *g)
{
    lki_hierarchy_free(ctx, g->trees);
    lki_hierarchy_free(ctx, g->clean_trees);
    g->trees = g->clean_trees = NULL;
    lki_release(ctx, g->labels);
    g->labels = NULL;
    lki_sample_free(ctx, &g->sample);
    lki_sample_free(ctx, &g->clean);
}

static void release(fit_state *f)
{
    ground_free(f->ctx, &f->ground);
    ground_free(f->ctx, &f->train_ground);
    lki_em_data_free(f->ctx, &f->data);
    lki_em_data_free(f->ctx, &f->train);
    lki_em_data_free(f->ctx, &f->test);
}

static lk_status check_components(fit_state *f, const int64_t *K, int64_t count)
{
    const double rows = f->data.positive;
    if (rows < 2.0) {
        return lki_fail(f->ctx, LK_ERROR_DATA, "1 row: a distribution cannot be learned from it; at least 2 rows are needed");
    }
    if (lki_value_is_set(f->task->values, "components") && (double)K[count - 1] > rows) {
        return lki_fail(f->ctx, LK_ERROR_DATA, "components = %lld, but there are only %.0f rows; ask for at most that many",
                        (long long)K[count - 1], rows);
    }
    return LK_OK;
}

/* Whether the user asks for a family: by its name or letters, by `all`, or for one feature by E or V. */
static int asks_for(const fit_state *f, const lki_covariance *c)
{
    const lki_values *v = f->task->values;
    const int one = f->task->data->d == 1;
    return lki_value_has(v, "covariance", c->name) || lki_value_has(v, "covariance", c->letters) || lki_value_has(v, "covariance", "all") ||
           (one && lki_value_has(v, "covariance", "E") && strcmp(c->letters, "EEE") == 0) ||
           (one && lki_value_has(v, "covariance", "V") && strcmp(c->letters, "VVV") == 0);
}

/* Whether to fit the family at `index`: of one feature there are only two, equal and variable variances, the first asked for standing
 * for all that are the same. */
static int to_fit(const fit_state *f, int index)
{
    const lki_covariance *c = lki_covariance_at(index);
    for (int i = 0; f->task->data->d == 1 && i < index; i++) {
        if (lki_covariance_at(i)->letters[0] == c->letters[0] && asks_for(f, lki_covariance_at(i))) {
            return 0;
        }
    }
    return asks_for(f, c);
}

static lk_status check_prior(fit_state *f, const lki_covariance *c)
{
    if (f->search.em.prior.kappa > 0.0 && c->log_prior == NULL) {
        return lki_fail(f->ctx, LK_ERROR_ARGUMENT,
                        "--prior normal_wishart goes with the covariances EII, VII, EEI, VVI, EEE and VVV, where the mode has a closed form; "
                        "%s is none of them", c->name);
    }
    return LK_OK;
}

static lk_status check_families(fit_state *f)
{
    const lki_values *v = f->task->values;
    if (f->task->data->d > 1 && (lki_value_has(v, "covariance", "E") || lki_value_has(v, "covariance", "V"))) {
        return lki_fail(f->ctx, LK_ERROR_ARGUMENT,
                        "covariance %s is a family of one feature, and there are %lld; ask for one of three letters, such as EII or VVV",
                        lki_value_has(v, "covariance", "E") ? "E" : "V", (long long)f->task->data->d);
    }
    for (int i = 0; lki_covariance_at(i) != NULL; i++) {
        if (to_fit(f, i)) {
            LKI_TRY(check_prior(f, lki_covariance_at(i)));
        }
    }
    return LK_OK;
}

/* The groups of the partition that is given, whose number is that of the components. */
static lk_status read_partition(fit_state *f)
{
    const lki_fit_task *task = f->task;
    const lki_values *v = task->values;
    int64_t count, agrees = 0;
    const int64_t *K = lki_value_list(v, "components", &count);
    if (task->partition == 0) {
        return LK_OK;
    }
    if (task->start != NULL || lki_value_is_set(v, "init") || (lki_value_is_set(v, "restarts") && lki_value_integer(v, "restarts") > 1)) {
        return lki_fail(f->ctx, LK_ERROR_ARGUMENT, "a partition is the one start of a fit; leave out --%s",
                        task->start != NULL ? "start" : lki_value_is_set(v, "init") ? "init" : "restarts");
    }
    LKI_TRY(lki_partition_find(f->ctx, task->data, task->partition - 1, &f->partition));
    for (int64_t i = 0; i < count; i++) {
        agrees = agrees || K[i] == f->partition.K;
    }
    if (lki_value_is_set(v, "components") && !agrees) {
        return lki_fail(f->ctx, LK_ERROR_ARGUMENT, "column %s parts the rows into %lld groups, and components = %s is asked for; leave "
                                                   "--components out",
                        lk_table_name(task->data->table, task->partition - 1), (long long)f->partition.K, lki_value_text(v, "components"));
    }
    return LK_OK;
}

/* All families that share a standardization: one scale a feature, or one for all. */
static lk_status search_families(fit_state *f, int common_scale)
{
    int64_t count;
    const int64_t *K = lki_value_list(f->task->values, "components", &count);
    if (f->partition.K > 0) {
        K = &f->partition.K;
        count = 1;
    }
    lk_status status = LK_OK;
    int families = 0, chosen = 0;
    const lki_covariance *covariance;
    for (int i = 0; (covariance = lki_covariance_at(i)) != NULL; i++) {
        const int has = to_fit(f, i);
        chosen += has;
        families += has && covariance->common_scale == common_scale;
    }
    if (families == 0) {
        return LK_OK;
    }
    f->improved = 0;
    LKI_GOTO(status, done, prepare(f, common_scale, K[count - 1]));
    LKI_GOTO(status, done, check_components(f, K, count));
    for (int i = 0; (covariance = lki_covariance_at(i)) != NULL; i++) {
        if (covariance->common_scale != common_scale || !to_fit(f, i)) {
            continue;
        }
        for (int64_t k = 0; k < count; k++) {
            /* Beyond the first, a K that must leave some component fewer than d + 1 rows is passed over: it could not be chosen. */
            const int hopeless = k > 0 && (double)K[k] * (double)(f->data.d + 1) > f->data.total;
            if ((double)K[k] <= f->data.positive && !hopeless) {
                LKI_GOTO(status, done, fit_one(f, K[k], covariance, count == 1 && chosen == 1));
            }
        }
    }
    if (f->improved) {
        change_units(f->best.mixture, &f->data, 0);
    }
done:
    release(f);
    return status;
}

/* Frozen parameters as the start has them, bit for bit: means lose their last digits on the way to standardized units and back. */
static void restore_frozen(unsigned freeze, const lki_mixture *start, lki_mixture *m)
{
    if (freeze & LKI_FREEZE_WEIGHTS) {
        memcpy(m->weights, start->weights, (size_t)m->K * sizeof(double));
        *m->uniform = *start->uniform;
    }
    if (freeze & LKI_FREEZE_MEANS) {
        memcpy(m->means, start->means, (size_t)(m->K * m->d) * sizeof(double));
    }
    if (freeze & LKI_FREEZE_COVARIANCES) {
        memcpy(m->covariances, start->covariances, (size_t)m->covariance->length(m->K, m->d) * sizeof(double));
    }
}

static lk_status run_from_start(fit_state *f)
{
    const lki_mixture *start = ((const lki_gmm *)f->task->start)->mixture;
    const lki_values *v = f->task->values;
    fit_record r = {.held_out = __builtin_nan("")};
    int64_t count;
    const int64_t *K = lki_value_list(v, "components", &count);
    lk_status status = LK_OK;
    const int free_shape = f->task->refit == LKI_REFIT_NONE;
    if (free_shape && lki_value_is_set(v, "components") && (count != 1 || K[0] != start->K)) {
        return lki_fail(f->ctx, LK_ERROR_ARGUMENT, "the start model has %lld components; leave --components out or ask for the same",
                        (long long)start->K);
    }
    if (free_shape && lki_value_is_set(v, "covariance") && lki_covariance_find(lki_value_text(v, "covariance")) != start->covariance) {
        return lki_fail(f->ctx, LK_ERROR_ARGUMENT, "the start model's covariance is %s; leave --covariance out or ask for the same",
                        start->covariance->name);
    }
    if (free_shape && lki_value_is_set(v, "noise") && lki_value_flag(v, "noise") != (start->noise != 0)) {
        return lki_fail(f->ctx, LK_ERROR_ARGUMENT, "the start model has %s noise; leave --noise out: a fit goes on as the start is",
                        start->noise ? "a component of" : "no");
    }
    LKI_TRY(check_prior(f, start->covariance));
    LKI_GOTO(status, done, lki_em_data_new(f->ctx, f->task->data, f->task->names, &f->data));
    if (start->covariance->common_scale) {
        to_common_scale(&f->data);
    }
    if (start->noise) {
        LKI_GOTO(status, done, lki_noise_box(f->ctx, f->task->names, start, &f->data));
    }
    f->search.K = start->K;
    f->search.em.give_up = 0;
    LKI_GOTO(status, done, set_prior(f, &f->data, start->K));
    LKI_GOTO(status, done, lki_mixture_new(f->ctx, start->K, start->d, start->covariance, &r.mixture));
    lki_mixture_copy(r.mixture, start);
    change_units(r.mixture, &f->data, 1);
    status = lki_em_run(f->ctx, &f->data, &f->search.em, r.mixture, &r.result);
    if (status != LK_OK) {
        lki_mixture_free(r.mixture);
        goto done;
    }
    score_fit(&r, f->search.em.freeze, f->data.total);
    change_units(r.mixture, &f->data, 0);
    restore_frozen(f->search.em.freeze, start, r.mixture);
    status = consider(f, &r);
done:
    release(f);
    return status;
}

/* Whether to search for a fit of the start's shape; where parameters are frozen, or the settings do not tell of its noise, it begins
 * there instead. */
static int searches_shape(const fit_state *f)
{
    return f->task->refit == LKI_REFIT_SEARCH && f->search.em.freeze == 0 &&
           lki_value_flag(f->task->values, "noise") == (((const lki_gmm *)f->task->start)->mixture->noise != 0);
}

/* The search for the start's number of components and family alone. */
static lk_status search_shape(fit_state *f)
{
    const lki_mixture *start = ((const lki_gmm *)f->task->start)->mixture;
    lk_status status = LK_OK;
    f->criterion = "bic"; /* there is nothing to choose */
    LKI_TRY(check_prior(f, start->covariance));
    LKI_GOTO(status, done, prepare(f, start->covariance->common_scale, start->K));
    LKI_GOTO(status, done, fit_one(f, start->K, start->covariance, 1));
    change_units(f->best.mixture, &f->data, 0);
done:
    release(f);
    return status;
}

static void describe_defect(const lki_em_result *r, const lki_mixture *m, char *out, size_t size)
{
    const int64_t d = m->d;
    if (r->defect >= 0 && isfinite(r->defect_size)) {
        snprintf(out, size, "component %lld has an effective size of %.3g rows, below d + 1 = %lld", (long long)r->defect, r->defect_size,
                 (long long)d + 1);
    } else if (r->defect >= 0) {
        char which[48], how[96];
        if (lki_mixture_matrices(m) < m->K) {
            snprintf(which, sizeof which, "the shared covariance");
        } else {
            snprintf(which, sizeof which, "component %lld", (long long)r->defect);
        }
        if (isfinite(r->defect_rcond)) {
            snprintf(how, sizeof how, "reciprocal condition %.2g, below %.0e", r->defect_rcond, LKI_RCOND_MIN);
        } else {
            snprintf(how, sizeof how, "a variance of %.2g of the data's own, below %.0e", r->defect_variance, LKI_VARIANCE_MIN);
        }
        snprintf(out, size, "%s collapsed: %s; it is held at that floor", which, how);
    }
}

/* What the report keeps beside its numbers: the table of fits where there are several, and how the starts of the best one fared. */
static lk_status keep_extra(const fit_state *f, lki_report *report)
{
    const lki_tally *t = &f->best.tally;
    json_t *extra = json_object();
    int failed = extra == NULL;
    if (!failed && json_array_size(f->table) > 1) {
        failed = json_object_set(extra, "selection", f->table) != 0;
    }
    if (!failed && t->starts > 0) {
        json_t *fared = json_pack("{s:I, s:I, s:I, s:f}", "starts", (json_int_t)t->starts, "finished", (json_int_t)t->finished, "reached",
                                   (json_int_t)t->reached, "tolerance", LKI_REACHED_TOL);
        if (fared != NULL && f->search.moves > 0 &&
            json_object_set_new(fared, "moves", json_pack("{s:I, s:I}", "tried", (json_int_t)t->moves_tried, "accepted",
                                                           (json_int_t)t->moves_accepted)) != 0) {
            json_decref(fared);
            fared = NULL;
        }
        if (fared != NULL && f->partition.K > 0 &&
            json_object_set_new(fared, "partition", json_string(lk_table_name(f->task->data->table, f->partition.column))) != 0) {
            json_decref(fared);
            fared = NULL;
        }
        failed = json_object_set_new(extra, "search", fared) != 0;
    }
    if (failed) {
        json_decref(extra);
        return lki_fail(f->ctx, LK_ERROR_MEMORY, "out of memory for the table of fits");
    }
    report->extra = extra;
    return LK_OK;
}

static lk_status gmm_fit(lk_context *ctx, const lki_fit_task *task, void **state, lki_report *report)
{
    fit_state f = {.ctx = ctx, .task = task, .table = json_array()};
    lk_status status = LK_OK;
    lki_gmm *g;
    if (f.table == NULL) {
        return lki_fail(ctx, LK_ERROR_MEMORY, "out of memory for the table of fits");
    }
    LKI_GOTO(status, done, read_options(&f));
    if (searches_shape(&f)) {
        LKI_GOTO(status, done, search_shape(&f));
    } else if (task->start != NULL) {
        LKI_GOTO(status, done, read_partition(&f)); /* which contradicts the start */
        LKI_GOTO(status, done, run_from_start(&f));
    } else {
        LKI_GOTO(status, done, check_families(&f));
        LKI_GOTO(status, done, read_partition(&f));
        LKI_GOTO(status, done, search_families(&f, 0));
        LKI_GOTO(status, done, search_families(&f, 1));
    }
    if (f.best.mixture == NULL) {
        status = lki_fail(ctx, LK_ERROR_DATA, "no number of components asked for fits the rows; ask for fewer");
        goto done;
    }
    LKI_GOTO(status, done, keep_extra(&f, report));
    lki_mixture *best = f.best.mixture;
    f.best.mixture = NULL;
    LKI_GOTO(status, done, lki_gmm_new(ctx, best, &g));
    report->n = f.best.n;
    report->log_likelihood = f.best.result.log_likelihood;
    report->free_parameters = f.best.parameters;
    report->entropy = f.best.result.entropy;
    report->iterations = f.best.result.iterations;
    report->converged = f.best.result.converged;
    describe_defect(&f.best.result, g->mixture, report->degenerate, sizeof report->degenerate);
    *state = g;
done:
    lki_mixture_free(f.best.mixture);
    lki_partition_free(ctx, &f.partition);
    lki_release(ctx, f.prior_scale);
    json_decref(f.table);
    return status;
}

LKI_METHOD(gmm, 0) = {
    .public = {.name = "gmm",
               .summary = "Gaussian mixture by expectation-maximization",
               .citation = "Dempster, Laird and Rubin 1977, J. R. Stat. Soc. B 39:1-38; Fraley and Raftery 2002, J. Am. Stat. Assoc. "
                           "97:611-631",
               .parameters = parameters,
               .parameter_count = (int64_t)(sizeof parameters / sizeof *parameters),
               .roles = "features,weight,partition",
               .operations = LK_OPERATION_LOG_DENSITY | LK_OPERATION_SCORE | LK_OPERATION_SAMPLE | LK_OPERATION_RESPONSIBILITIES |
                             LK_OPERATION_MARGINAL | LK_OPERATION_CDF | LK_OPERATION_CONDITION |
                             LK_OPERATION_SMOOTH | LK_OPERATION_EXPORT},
    .operations = &lki_gmm_operations,
    .gaps = 1,
    .fit = gmm_fit,
    .build = lki_gmm_build,
};
