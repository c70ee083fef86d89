/* Damaged NPZ and IDX: cut anywhere, any byte changed, sizes and shapes that lie. An error, or the same table; never another. */
#include "../npz_file.h"

/* Refused in memory and, but for an infinity, which is met later there, on disk. */
static void check_refused(const read_text *t, const char *format, lk_status status, const char *part)
{
    for (int64_t memory = 0; memory < (status == LK_ERROR_DATA && strstr(part, "inf") != NULL ? 1 : 2); memory++) {
        lk_context *ctx = read_context(1, memory);
        lk_read_options options = {.size = sizeof options, .format = format};
        lk_table *table = NULL;
        char *path = read_file(t->bytes, t->used);
        check_status(ctx, status, lk_table_read(ctx, path, &options, &table));
        check_contains(lk_error_message(ctx), part);
        assert_null(table);
        lk_context_free(ctx);
        read_remove(path);
    }
}

/* Reads bytes whole, or in blocks; compares with a table where that succeeds. */
static lk_status try_bytes(const void *bytes, size_t count, const char *format, bool blocks, const lk_table *wanted)
{
    lk_context *ctx = read_context(1, 0);
    lk_read_options options = {.size = sizeof options, .format = format};
    lk_table *table = NULL;
    lk_reader *reader = NULL;
    const lk_table *block = NULL;
    char *path = read_file(bytes, count);
    lk_status status = blocks ? lk_reader_open(ctx, path, &options, &reader) : lk_table_read(ctx, path, &options, &table);
    if (status == LK_OK && blocks) {
        status = lk_reader_next(ctx, reader, &block);
    }
    if (status != LK_OK) {
        assert_true(strlen(lk_error_message(ctx)) > 0);
        assert_int_not_equal(status, LK_ERROR_MEMORY);
    } else if (wanted != NULL) {
        read_same(ctx, wanted, blocks ? block : table);
    }
    lk_reader_free(reader);
    lk_table_free(table);
    lk_context_free(ctx);
    read_remove(path);
    return status;
}

static void make_archive(npz_file *f, int form)
{
    *f = (npz_file){.form = form};
    npz_add_counting(f, "X.npy", 4, 3, true, 1);
    npz_add_counting(f, "y.npy", 4, 0, false, 100);
    npz_end(f, "");
}

static void test_cut(void **state)
{
    (void)state;
    for (int form = 0; form < 8; form++) {
        npz_file f;
        make_archive(&f, form);
        for (size_t count = 0; count < f.bytes.used; count++) {
            assert_int_not_equal(try_bytes(f.bytes.bytes, count, "npz", count % 2 == 0, NULL), LK_OK);
        }
        npz_free(&f);
    }
}

/* No byte of the archive can be changed so that other numbers come out. */
static void test_changed(void **state)
{
    (void)state;
    static const unsigned char masks[] = {0x01, 0x80, 0xff};
    for (int form = 0; form < 8; form++) {
        npz_file f;
        lk_table *wanted = NULL;
        int refused = 0, same = 0;
        make_archive(&f, form);
        lk_context *ctx = read_context(1, 0);
        char *path = read_file(f.bytes.bytes, f.bytes.used);
        check_ok(ctx, lk_table_read(ctx, path, NULL, &wanted));
        for (size_t i = 0; i < f.bytes.used; i++) {
            for (size_t m = 0; m < sizeof masks; m++) {
                f.bytes.bytes[i] = (char)(f.bytes.bytes[i] ^ masks[m]);
                lk_status status = try_bytes(f.bytes.bytes, f.bytes.used, "npz", (i + m) % 2 == 0, wanted);
                refused += status != LK_OK;
                same += status == LK_OK;
                f.bytes.bytes[i] = (char)(f.bytes.bytes[i] ^ masks[m]);
            }
        }
        /* Versions, times, attributes, and what stands behind the data once more do not matter; all else does. */
        assert_true(refused > 2 * same && same > 0);
        lk_table_free(wanted);
        lk_context_free(ctx);
        read_remove(path);
        npz_free(&f);
    }
}

/* An archive with one field of its first directory entry, or of its end, replaced. */
typedef struct lie {
    int form;
    int at; /* from the directory's begin; negative: from the file's end */
    uint64_t value;
    int bytes;
    const char *text;
} lie;

static const lie lies[] = {
    {NPZ_STORED, 16, 0x12345678, 4, ": the zip archive is damaged: the header of 'X.npy' at byte 0 says otherwise than the directory"},
    {NPZ_STORED | NPZ_BEHIND, 16, 0x12345678, 4, "where the archive's directory claims 12345678; the file is damaged"},
    {NPZ_DEFLATED | NPZ_BEHIND, 24, 100, 4, ":X: the data goes on after the 100 bytes that the archive's directory claims; the file is damaged"},
    {NPZ_DEFLATED | NPZ_BEHIND, 24, 172, 4, "which makes a file of 176 bytes; it has 172"},
    {NPZ_STORED, 20, 0x7fffffff, 4, ": its directory claims 176 bytes, packed in 2147483647 at byte 0, for 'X.npy'"},
    {NPZ_DEFLATED, 24, 0x7fffffff, 4, ": its directory claims 2147483647 bytes, packed in "},
    {NPZ_WIDE, 42, 0x7fffffff, 4, "at byte 2147483647, for 'X.npy'"},
    {NPZ_STORED, 42, 1, 4, ": the zip archive is damaged: no member 'X.npy' of 176 bytes begins at byte 1"},
    {NPZ_STORED, 8, 1, 2, ":X is encrypted; an NPZ without a password is needed"},
    {NPZ_STORED, 10, 12, 2, ":X is compressed by method 12 of zip; stored and deflated members can be read"},
    {NPZ_STORED, 28, 500, 2, ": its directory ends within a member"},
    {NPZ_STORED, 32, 1, 2, ": its directory has fewer members than its end record claims"},
    {NPZ_STORED, 46, '\n', 1, ": a member's name is empty, not UTF-8, or has control characters"},
    {NPZ_STORED, -22, 0, 4, "no zip directory stands at the end of the file; it is truncated, or no NPZ"},
    {NPZ_STORED, -18, 1, 2, ": it is one volume of several"},
    {NPZ_STORED, -14, 3, 2, ": it is one volume of several"},
    {NPZ_STORED, -14, 0x00010001, 4, ": its directory has more than its end record claims"},
    {NPZ_STORED, -14, 0x00030003, 4, ": its end record claims 3 members in a directory of 102 bytes"},
    {NPZ_STORED, -10, 100, 4, ": a directory of 100 bytes at byte "},
    {NPZ_STORED, -6, 7, 4, ": a directory of 102 bytes at byte 7 does not end at its end record at byte "},
    {NPZ_STORED, -12, 0xffffffff, 4, ": it lacks the zip64 record that its end points to"},
    {NPZ_WIDE, -42, 0, 4, ": it lacks the zip64 record that its end points to"},
    {NPZ_WIDE, -34, 1, 4, ": its zip64 end record does not stand where the locator points"},
    {NPZ_WIDE, -26, 2, 4, "its zip64 locator points outside of it, or it is one volume of several"},
    {NPZ_WIDE, 51, 2, 2, ": an extra field of its directory is malformed"},
};

static void test_lies(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        const lie *l = &lies[i];
#if !LIKELY_ZLIB
        if ((l->form & NPZ_DEFLATED) != 0) {
            continue;
        }
#endif
        npz_file f = {.form = l->form};
        npz_add_counting(&f, "X.npy", 4, 3, false, 1);
        npz_add_counting(&f, "y.npy", 4, 0, false, 100);
        size_t directory = f.bytes.used;
        npz_end(&f, "");
        size_t at = l->at >= 0 ? directory + (size_t)l->at : f.bytes.used - (size_t)-l->at;
        for (int k = 0; k < l->bytes; k++) {
            f.bytes.bytes[at + (size_t)k] = (char)(l->value >> (8 * k) & 0xff);
        }
        if (l->at == 8 || l->at == 10) {
            f.bytes.bytes[l->at - 2] = (char)l->value; /* the local header agrees */
        }
        check_refused(&f.bytes, "npz", LK_ERROR_FORMAT, l->text);
        npz_free(&f);
    }
}

/* A header in a member that claims other than the member's size; data that go on; an infinity with its place. */
static void test_members(void **state)
{
    (void)state;
    for (int form = 0; form < 2; form++) {
        for (int wrong = 0; wrong < 3; wrong++) {
            npz_file f = {.form = form};
            read_text t = {0};
            double values[7] = {1, 2, 3, wrong == 2 ? (double)INFINITY : 4, 5, 6, 7};
            npy_matrix_header(&t, "<f8", form != 0, 3, 2);
            read_put(&t, values, wrong == 0 ? 40 : wrong == 1 ? 56 : 48);
            npz_add(&f, "X.npy", t.bytes, t.used);
            npz_end(&f, "");
            check_refused(&f.bytes, "npz", wrong == 2 ? LK_ERROR_DATA : LK_ERROR_FORMAT,
                          wrong == 0   ? ":X: the NPY header claims 3 x 2 elements of 8 bytes, which makes a file of 176 bytes; it has 168"
                          : wrong == 1 ? "which makes a file of 176 bytes; it has 184"
                          : form == 0  ? ":X: row 2, column 2 is inf"
                                       : ":X: row 1, column 2 is inf");
            npz_free(&f);
            free(t.bytes);
        }
    }
}

/* A bad checksum is told by blocks too, before their last one is given. */
static void test_checksum(void **state)
{
    (void)state;
    for (int fortran = 0; fortran < 2; fortran++) {
        npz_file f = {.form = NPZ_STORED};
        npz_add_counting(&f, "X.npy", 200000, 3, fortran != 0, 0);
        npz_end(&f, "");
        f.bytes.bytes[f.bytes.used / 2] ^= 4;
        char *path = read_file(f.bytes.bytes, f.bytes.used);
        lk_context *ctx = read_context(1, 0);
        lk_reader *reader = NULL;
        const lk_table *block = NULL;
        int64_t rows = 0;
        lk_status status = lk_reader_open(ctx, path, NULL, &reader);
        while (status == LK_OK && (status = lk_reader_next(ctx, reader, &block)) == LK_OK) {
            assert_non_null(block);
            rows += lk_table_rows(block);
        }
        check_status(ctx, LK_ERROR_FORMAT, status);
        check_contains(lk_error_message(ctx), ":X: the data's checksum is ");
        assert_true(fortran != 0 ? rows == 0 : rows > 0 && rows < 200000);
        lk_reader_free(reader);
        lk_context_free(ctx);
        read_remove(path);
        npz_free(&f);
    }
}

static void test_idx(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t count;
        lk_status status;
        const char *text;
    } cases[] = {
        {"\0\0\x08", 3, LK_ERROR_FORMAT, ": the IDX header ends in the middle; the file is truncated"},
        {"\0\0\x08\2\0\0\0\1\0\0\0", 11, LK_ERROR_FORMAT, ": the IDX header ends in the middle; the file is truncated"},
        {"\0\0\x0a\1\0\0\0\1\0", 9, LK_ERROR_FORMAT, ": the IDX header claims elements of type 0a; 08, 09, 0b, 0c, 0d and 0e can be read"},
        {"\0\0\x08\0\0", 5, LK_ERROR_FORMAT, ": the IDX header claims no dimensions; one or more are needed"},
        {"\0\1\x08\1\0\0\0\1\0", 9, LK_ERROR_FORMAT, " is no IDX file: its first bytes are 00 01, not 00 00"},
        {"\0\0\x08\2\0\0\0\2\0\0\0\2abc", 15, LK_ERROR_FORMAT,
         ": the IDX header claims 2 x 2 elements of 1 bytes, which makes a file of 16 bytes; it has 15"},
        {"\0\0\x08\2\0\0\0\2\0\0\0\2abcde", 17, LK_ERROR_FORMAT, "which makes a file of 16 bytes; it has 17"},
        {"\0\0\x08\1\0\0\0\0", 8, LK_ERROR_DATA, ": there are no rows (shape 0 x 1)"},
        {"\0\0\x08\2\0\0\0\2\0\0\0\0", 12, LK_ERROR_DATA, ": the array has no columns (shape 2 x 0)"},
        {"\0\0\x08\2\xff\xff\xff\xff\xff\xff\xff\xff", 12, LK_ERROR_FORMAT, "elements, more than any file holds"},
        {"\0\0\x08\2\0\0\0\0\0\1\0\1", 12, LK_ERROR_FORMAT,
         ": the IDX header claims 0 x 65537 elements; at most 65536 columns are believed of so many rows"},
        {"\0\0\x08\2\0\0\0\1\1\0\0\1", 12, LK_ERROR_FORMAT, "at most 16777216 columns are believed of so many rows"},
        {"\0\0\x08\4\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 20, LK_ERROR_FORMAT,
         ": the IDX header claims 4 dimensions that multiply to 2^63 and more elements"},
        {"\0\0\x0d\1\0\0\0\2\0\0\0\0\xff\x80\0\0", 16, LK_ERROR_DATA, ": row 2, column 1 is -inf"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        read_text t = {0};
        read_put(&t, cases[i].bytes, cases[i].count);
        check_refused(&t, "idx", cases[i].status, cases[i].text);
        free(t.bytes);
    }
}

/* Through a pipe the size is not known: what is short or goes on is told when it is met, and memory is not trusted to it. */
static void test_idx_pipe(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t count;
        const char *text;
    } cases[] = {{"\0\0\x08\2\0\0\0\2\0\xff\xff\xff" "abc", 15, ": the data ends before the 2 x 16777215 elements that the IDX"},
                 {"\0\0\x08\2\0\0\0\2\0\0\0\2abc", 15, ": the data ends before the 2 x 2 elements that the IDX header claims"},
                 {"\0\0\x08\2\0\0\0\2\0\0\0\2abcde", 17, ": data follows the 2 x 2 elements that the IDX header claims"},
                 {"\0\0\x08\1\xff\xff\xff\xff" "abcd", 12, ": the data ends before the 4294967295 x 1 elements"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int ends[2];
        char path[64];
        lk_table *table = NULL;
        lk_context *ctx = read_context(1, 0);
        assert_int_equal(pipe(ends), 0);
        assert_int_equal(write(ends[1], cases[i].bytes, cases[i].count), cases[i].count);
        close(ends[1]);
        snprintf(path, sizeof path, "/proc/self/fd/%d", ends[0]);
        check_status(ctx, LK_ERROR_FORMAT, lk_table_read(ctx, path, NULL, &table));
        check_contains(lk_error_message(ctx), cases[i].text);
        close(ends[0]);
        lk_context_free(ctx);
    }
}

/* What can be read only with zlib is said in one line where there is none. */
static void test_without_zlib(void **state)
{
    (void)state;
#if LIKELY_ZLIB
    print_message("skipped: this build has zlib\n");
    skip();
#else
    /* X.npy, deflated: one stored block of two bytes. */
    npz_file f = {0};
    npz_add(&f, "X.npy", "\3\0", 2);
    size_t directory = f.bytes.used;
    npz_end(&f, "");
    f.bytes.bytes[8] = 8;
    f.bytes.bytes[directory + 10] = 8;
    check_refused(&f.bytes, "npz", LK_ERROR_UNAVAILABLE,
                  ":X is compressed; this build has no zlib: write the archive without compression (numpy.savez)");
    npz_free(&f);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut),  cmocka_unit_test(test_changed),  cmocka_unit_test(test_lies),
        cmocka_unit_test(test_members), cmocka_unit_test(test_checksum), cmocka_unit_test(test_idx),
        cmocka_unit_test(test_idx_pipe), cmocka_unit_test(test_without_zlib),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
