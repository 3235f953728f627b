// Fills a database in memory with the words of the corpus, indexes and queries it.
#include "driver.h"
#include "sqlite3.h"

enum { used = 4 << 20 };

int main(int argc, char **argv) {
    struct bytes corpus = start(argc, argv);
    USE(sqlite3_open);
    USE(sqlite3_exec);
    USE(sqlite3_errmsg);
    USE(sqlite3_prepare_v2);
    USE(sqlite3_bind_text);
    USE(sqlite3_bind_int64);
    USE(sqlite3_step);
    USE(sqlite3_reset);
    USE(sqlite3_column_count);
    USE(sqlite3_column_text);
    USE(sqlite3_finalize);
    USE(sqlite3_close);

    uint64_t sum = 0;
    double begin = cpu_seconds();
    sqlite3 *db;
    if (my_sqlite3_open(":memory:", &db)) fail("sqlite3_open");
    if (my_sqlite3_exec(db, "create table word(id integer primary key, text, at integer, bytes integer); begin", 0, 0, 0))
        fail(my_sqlite3_errmsg(db));
    sqlite3_stmt *insert;
    if (my_sqlite3_prepare_v2(db, "insert into word(text, at, bytes) values(?, ?, ?)", -1, &insert, 0))
        fail(my_sqlite3_errmsg(db));
    size_t end = corpus.size < used ? corpus.size : used;
    for (size_t at = 0; at < end;) {
        size_t from = at;
        while (at < end && ((corpus.data[at] | 32) - 'a' < 26u || corpus.data[at] == '_')) at++;
        if (at - from > 2) {
            my_sqlite3_bind_text(insert, 1, (char *)corpus.data + from, (int)(at - from), SQLITE_STATIC);
            my_sqlite3_bind_int64(insert, 2, (sqlite3_int64)from);
            my_sqlite3_bind_int64(insert, 3, (sqlite3_int64)(at - from));
            if (my_sqlite3_step(insert) != SQLITE_DONE) fail(my_sqlite3_errmsg(db));
            my_sqlite3_reset(insert);
        }
        at++;
    }
    my_sqlite3_finalize(insert);
    if (my_sqlite3_exec(db, "commit; create index by_text on word(text, at)", 0, 0, 0)) fail(my_sqlite3_errmsg(db));

    static const char *const queries[] = {
        "select text, count(*), min(at), avg(bytes) from word group by text order by 2 desc, 1 limit 200",
        "select lower(substr(text, 1, 3)), sum(bytes) from word where text like '%er%' group by 1 order by 2 desc, 1",
        "select a.text, b.text, count(*) from word a join word b on b.id = a.id + 1 where a.bytes > 9 "
        "group by 1, 2 order by 3 desc, 1, 2 limit 100",
        "select count(*), sum(at % 7), max(upper(text)) from word where at between 100000 and 3000000",
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 60000) "
        "select i % 10, count(*), sum(w.bytes) from n join word w on w.id = i * 3 group by 1",
    };
    for (size_t q = 0; q < sizeof queries / sizeof *queries; q++) {
        sqlite3_stmt *query;
        if (my_sqlite3_prepare_v2(db, queries[q], -1, &query, 0)) fail(my_sqlite3_errmsg(db));
        while (my_sqlite3_step(query) == SQLITE_ROW) {
            for (int c = 0; c < my_sqlite3_column_count(query); c++) {
                const unsigned char *text = my_sqlite3_column_text(query, c);
                if (text) sum = checksum(sum, text, strlen((const char *)text));
            }
        }
        my_sqlite3_finalize(query);
    }
    my_sqlite3_close(db);
    report("queries", cpu_seconds() - begin, sum);
    return 0;
}
