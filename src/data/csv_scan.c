/* Windows of delimited text: read, cut at record ends into chunks, lines counted. Quotes are followed exactly: outside quotes
 * the byte before a quote alone says whether it opens a field, so the scan only has to visit quotes and line ends. */
#include "data/csv.h"

#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* A file whose first bytes, so many, have CR but no LF has lines that end by CR alone. */
enum { LINE_END_BYTES = 1 << 16 };

static int64_t count_lines_plain(const char *p, const char *end)
{
    int64_t lines = 0;
    for (; p < end; p++) {
        lines += *p == '\n';
    }
    return lines;
}

int64_t lki_csv_count_lines(const char *begin, const char *end)
{
#if defined(__SSE2__)
    const char *p = begin;
    int64_t lines = 0;
    const __m128i newline = _mm_set1_epi8('\n');
    while (end - p >= 16) {
        /* Up to 255 steps before a byte counter could overflow. */
        int64_t steps = (end - p) / 16 < 255 ? (end - p) / 16 : 255;
        __m128i count = _mm_setzero_si128();
        for (int64_t i = 0; i < steps; i++, p += 16) {
            count = _mm_sub_epi8(count, _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(const void *)p), newline));
        }
        __m128i sums = _mm_sad_epu8(count, _mm_setzero_si128());
        lines += _mm_cvtsi128_si64(sums) + _mm_cvtsi128_si64(_mm_unpackhi_epi64(sums, sums));
    }
    return lines + count_lines_plain(p, end);
#else
    return count_lines_plain(begin, end);
#endif
}

/* The state of a scan: the chunk that is being filled and where the last record ended. */
typedef struct scan {
    lk_context *ctx;
    lki_csv *csv;
    lki_csv_window *window;
    const char *begin;    /* of the open chunk */
    const char *last_end; /* after the last line end outside quotes */
    int64_t rows, lines;  /* of the open chunk up to last_end */
    int64_t quoted_lines; /* since last_end */
} scan;

static lk_status close_chunk(scan *s, const char *end, int64_t extra_rows)
{
    lki_csv_window *w = s->window;
    if (end > s->begin) {
        size_t old = w->chunk_capacity;
        LKI_TRY(
            lki_extend(s->ctx, &s->csv->memory, &w->chunks, &w->chunk_capacity, w->chunk_count + 1, sizeof *w->chunks));
        if (w->chunk_capacity > old) {
            memset(w->chunks + old, 0, (w->chunk_capacity - old) * sizeof *w->chunks);
        }
        lki_csv_chunk *chunk = &w->chunks[w->chunk_count++];
        chunk->begin = s->begin;
        chunk->end = end;
        chunk->bound = s->rows + extra_rows;
        chunk->lines = s->lines;
        w->bound += chunk->bound;
    }
    s->begin = end;
    s->rows = 0;
    s->lines = 0;
    return LK_OK;
}

/* Bytes outside quotes: counts records and closes the chunk at the first record end past its size. */
static lk_status outside(scan *s, const char *p, const char *end)
{
    while (p < end) {
        const char *target = (size_t)(end - s->begin) > s->csv->chunk_bytes ? s->begin + s->csv->chunk_bytes : end;
        if (p < target) {
            int64_t lines = lki_csv_count_lines(p, target);
            if (lines > 0) {
                s->last_end = (const char *)memrchr(p, '\n', (size_t)(target - p)) + 1;
                s->rows += lines;
                s->lines += lines + s->quoted_lines;
                s->quoted_lines = 0;
            }
            p = target;
            continue;
        }
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        if (newline == NULL) {
            break;
        }
        p = newline + 1;
        s->last_end = p;
        s->rows++;
        s->lines += 1 + s->quoted_lines;
        s->quoted_lines = 0;
        LKI_TRY(close_chunk(s, p, 0));
    }
    return LK_OK;
}

/* The quote that closes the one at p, or NULL if it is not in the data (or cannot be told from half a pair yet). */
static const char *closing_quote(const char *p, const char *end, bool last)
{
    for (const char *q = p + 1; (q = memchr(q, '"', (size_t)(end - q))) != NULL; q += 2) {
        if (q + 1 == end) {
            return last ? q : NULL;
        }
        if (q[1] != '"') {
            return q;
        }
        if (q + 2 == end) {
            return NULL;
        }
    }
    return NULL;
}

lk_status lki_csv_cut_window(lk_context *ctx, lki_csv *csv, lki_csv_window *window, const char *from)
{
    const char *end = window->bytes + window->used;
    scan s = {.ctx = ctx, .csv = csv, .window = window, .begin = from, .last_end = from};
    window->chunk_count = 0;
    window->bound = 0;
    window->fault = (lki_csv_fault){.wrong = LKI_CSV_FINE};
    for (const char *p = from; p < end;) {
        const char *quote = memchr(p, '"', (size_t)(end - p));
        while (quote != NULL && quote != from && quote[-1] != '\n' && quote[-1] != csv->delimiter) {
            quote = memchr(quote + 1, '"', (size_t)(end - quote - 1));
        }
        LKI_TRY(outside(&s, p, quote != NULL ? quote : end));
        if (quote == NULL) {
            break;
        }
        const char *close = closing_quote(quote, end, window->last);
        if (close == NULL) {
            s.quoted_lines += window->last ? lki_csv_count_lines(quote, end) : 0;
            break; /* at the end of the data the parser meets it and tells */
        }
        s.quoted_lines += lki_csv_count_lines(quote, close);
        p = close + 1;
    }
    window->end = s.last_end;
    if (window->last && end > s.last_end) {
        window->end = end;
        s.lines += s.quoted_lines;
        return close_chunk(&s, end, 1);
    }
    return close_chunk(&s, window->end, 0);
}

/* Replaces CR by LF, in a file that has no LF of its own. */
static void translate(char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bytes[i] = bytes[i] == '\r' ? '\n' : bytes[i];
    }
}

void lki_csv_squeeze(lki_csv *csv, lki_csv_window *window, size_t from)
{
    char *out = window->bytes + from;
    bool quoted = csv->blanks.quoted, closed = csv->blanks.closed, inside = csv->blanks.inside, pending = csv->blanks.pending;
    for (const char *p = out, *end = window->bytes + window->used; p < end; p++) {
        const bool after_quote = closed;
        closed = false;
        if (quoted) {
            closed = *p == '"';
            quoted = !closed;
        } else if (*p == ' ' || *p == '\t') {
            if (inside && !pending) {
                *out++ = ' ';
                pending = true;
            }
            continue;
        } else if (*p == '\n' || *p == '\r') {
            out -= pending;
            inside = pending = false;
        } else {
            quoted = *p == '"' && (pending || !inside || after_quote); /* a field's first byte, or doubled */
            inside = true;
            pending = false;
        }
        *out++ = *p;
    }
    if (window->last) {
        out -= pending;
        pending = false;
    }
    csv->blanks.quoted = quoted;
    csv->blanks.closed = closed;
    csv->blanks.inside = inside;
    csv->blanks.pending = pending;
    window->used = (size_t)(out - window->bytes);
    memset(out, 0, LKI_CSV_PADDING);
}

/* As much again as there is, so that a long line is not scanned too often; but no more than shows that it is too long. */
static size_t next_want(const lki_csv *csv, const lki_csv_window *window)
{
    size_t want = window->used > csv->window_bytes ? window->used : csv->window_bytes;
    size_t left = window->used <= LKI_CSV_LINE_LIMIT ? LKI_CSV_LINE_LIMIT - window->used + 1 : 1;
    return want < left ? want : left;
}

/* Reads up to `want` more bytes. */
static lk_status append(lk_context *ctx, lki_csv *csv, lki_csv_window *window, size_t want)
{
    LKI_TRY(lki_extend(ctx, &csv->memory, &window->bytes, &window->capacity, window->used + want + LKI_CSV_PADDING, 1));
    size_t got = 0;
    char *bytes = window->bytes + window->used;
    LKI_TRY(lki_source_read(ctx, csv->source, bytes, want, &got));
    window->last = got < want;
    window->used += got;
    if (csv->bare_cr) {
        translate(bytes, got);
    }
    memset(window->bytes + window->used, 0, LKI_CSV_PADDING);
    if (csv->delimiter == ' ') {
        const size_t from = window->used - got, mark = from == 0 && memcmp(window->bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
        lki_csv_squeeze(csv, window, from + mark);
    }
    return LK_OK;
}

/* Whether a window without a whole record can never have one: a line too long, or no text at all. */
static bool hopeless(lki_csv_window *window)
{
    size_t size = window->used;
    const char *nul = memchr(window->bytes, '\0', size);
    if (nul != NULL) {
        window->fault = (lki_csv_fault){.wrong = LKI_CSV_NUL, .at = nul, .text = nul, .length = 1, .column = -1};
    } else if (size > LKI_CSV_LINE_LIMIT) {
        window->fault =
            (lki_csv_fault){.wrong = LKI_CSV_LONG_LINE, .at = window->bytes, .text = window->bytes, .length = 64};
        const char *quote = memchr(window->bytes, '"', size);
        if (quote != NULL && memchr(quote, '\n', (size_t)(window->bytes + size - quote)) != NULL) {
            window->fault = (lki_csv_fault){.wrong = LKI_CSV_OPEN_QUOTE, .at = quote, .text = quote, .length = 64};
        }
    } else {
        return false;
    }
    window->last = true;
    return true;
}

lk_status lki_csv_fill(lk_context *ctx, lki_csv *csv, lki_csv_window *window, const char *tail, size_t tail_length)
{
    bool in_place = tail == window->bytes;
    LKI_TRY(lki_extend(ctx, &csv->memory, &window->bytes, &window->capacity,
                       tail_length + csv->window_bytes + LKI_CSV_PADDING, 1));
    if (!in_place && tail_length > 0) {
        memcpy(window->bytes, tail, tail_length);
    }
    window->used = tail_length;
    window->last = false;
    size_t want = csv->window_bytes;
    do {
        LKI_TRY(append(ctx, csv, window, want));
        LKI_TRY(lki_csv_cut_window(ctx, csv, window, window->bytes));
        want = next_want(csv, window);
    } while (!window->last && window->chunk_count == 0 && !hopeless(window));
    return LK_OK;
}

/* Whether the first window shows enough: the rows that types are found in, or so much that wider rows are hardly meant. */
static bool shows_enough(lki_csv_window *window)
{
    int64_t lines = lki_csv_count_lines(window->bytes, window->bytes + window->used);
    return window->last || lines > LKI_CSV_SNIFF_ROWS || (lines > 1 && window->used > LKI_CSV_LINE_LIMIT / 4) ||
           (lines == 0 && hopeless(window)) || window->used > LKI_CSV_LINE_LIMIT;
}

lk_status lki_csv_fill_first(lk_context *ctx, lki_csv *csv, lki_csv_window *window)
{
    do {
        LKI_TRY(append(ctx, csv, window, next_want(csv, window)));
    } while (!window->last && window->used < LINE_END_BYTES && memchr(window->bytes, '\n', window->used) == NULL);
    /* The same bytes decide, however the input is cut; a CR at their end may belong to an LF that follows. */
    size_t seen = window->used < LINE_END_BYTES ? window->used : LINE_END_BYTES;
    bool line_feed = memchr(window->bytes, '\n', seen) != NULL;
    seen -= seen == LINE_END_BYTES;
    if (!line_feed && memchr(window->bytes, '\r', seen) != NULL) {
        csv->bare_cr = true;
        translate(window->bytes, window->used);
    }
    while (!shows_enough(window)) {
        LKI_TRY(append(ctx, csv, window, next_want(csv, window)));
    }
    return LK_OK;
}

void lki_csv_window_free(const lki_csv *csv, lki_csv_window *window)
{
    for (size_t i = 0; i < window->chunk_capacity; i++) {
        lki_csv_chunk *chunk = &window->chunks[i];
        for (int64_t c = 0; chunk->strings != NULL && c < csv->column_count; c++) {
            lki_string_list_free(&csv->memory, &chunk->strings[c]);
        }
        lki_memory_release(&csv->memory, chunk->strings);
        lki_string_list_free(&csv->memory, &chunk->scratch);
    }
    lki_memory_release(&csv->memory, window->chunks);
    lki_memory_release(&csv->memory, window->bytes);
}
