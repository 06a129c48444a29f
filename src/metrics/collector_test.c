/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/error.h"
#include "core/exit_codes.h"
#include "core/mem.h"
#include "metrics/builtin.h"
#include "metrics/collector.h"
#include "metrics/summary.h"
#include "metrics/threshold.h"

struct fixture {
    struct registry *registry;
    struct tag_interner *tags;
    struct collector *collector;
    struct thresholds *thresholds;
    struct shard *shard;
};

static struct fixture make(void)
{
    struct fixture f = {registry_new(), tag_interner_new()};
    f.collector = collector_new(f.registry, f.tags);
    f.thresholds = thresholds_new(f.collector, f.registry, false);
    f.shard = shard_new(f.collector);
    return f;
}

static void drop(struct fixture *f)
{
    thresholds_free(f->thresholds);
    collector_free(f->collector);
    registry_free(f->registry);
    tag_interner_free(f->tags);
}

static void add(struct fixture *f, const struct metric *metric, double value, const char *key, const char *tag)
{
    struct tag change = {key, tag};
    const struct tagset *set = tagset_with(f->tags, tagset_empty(f->tags), &change, key ? 1 : 0);
    struct sample sample = {metric, set, value};
    shard_add(f->shard, &sample, 1, 1000, 0, NULL, 0);
}

static void equal_tag_sets_are_one(void **state)
{
    struct fixture f = make();
    struct tag ab[] = {{"a", "1"}, {"b", "2"}}, ba[] = {{"b", "2"}, {"a", "1"}}, less = {"b", NULL}, only = {"a", "1"};
    const struct tagset *empty = tagset_empty(f.tags), *x = tagset_with(f.tags, empty, ab, 2);
    assert_ptr_equal(x, tagset_with(f.tags, empty, ba, 2));
    assert_ptr_equal(tagset_with(f.tags, x, &less, 1), tagset_with(f.tags, empty, &only, 1));
    assert_string_equal(tagset_get(x, "b"), "2");
    assert_null(tagset_get(x, "c"));
    struct tag_cache *cache = tag_cache_new(f.tags);
    assert_ptr_equal(tagset_with_cached(cache, empty, ab, 2), x);
    assert_ptr_equal(tagset_with_cached(cache, empty, ab, 2), x);
    assert_ptr_equal(tagset_with_cached(cache, x, &less, 1), tagset_with(f.tags, empty, &only, 1));
    tag_cache_free(cache);
    drop(&f);
}

static void metric_names_are_checked(void **state)
{
    struct fixture f = make();
    struct error err = {0};
    assert_null(registry_add(f.registry, "x", METRIC_COUNTER, METRIC_DEFAULT, &err));
    assert_null(registry_add(f.registry, "1abc", METRIC_COUNTER, METRIC_DEFAULT, &err));
    assert_null(registry_add(f.registry, "with space", METRIC_COUNTER, METRIC_DEFAULT, &err));
    const struct metric *mine = registry_add(f.registry, "mine", METRIC_COUNTER, METRIC_DEFAULT, &err);
    assert_ptr_equal(mine, registry_add(f.registry, "mine", METRIC_COUNTER, METRIC_DEFAULT, &err));
    assert_null(registry_add(f.registry, "mine", METRIC_TREND, METRIC_DEFAULT, &err));
    assert_null(registry_add(f.registry, "mine", METRIC_COUNTER, METRIC_TIME, &err));
    error_clear(&err);
    drop(&f);
}

static void samples_reach_metric_and_matching_parts(void **state)
{
    struct fixture f = make();
    const struct metric *m = builtin_metric(BUILTIN_HTTP_REQS);
    assert_true(thresholds_add_metric(f.thresholds, "http_reqs{status:200}", NULL));
    assert_true(thresholds_add_metric(f.thresholds, "http_reqs{ status : \"404\" }", NULL));
    add(&f, m, 1, "status", "200");
    add(&f, m, 2, "status", "404");
    add(&f, m, 4, NULL, NULL);
    collector_collect(f.collector);
    assert_true(collector_sink(f.collector, m)->count == 7);
    assert_true(thresholds_at(f.thresholds, 0)->sink->count == 1);
    assert_true(thresholds_at(f.thresholds, 1)->sink->count == 2);
    drop(&f);
}

static const struct {
    const char *selector, *source;
} refused[] = {
    {"http_reqs", "count greater than 5"}, {"http_reqs", "avg<5"}, {"http_req_duration", "p(101)<5"}, {"http_req_duration", "p(95)<"},
    {"http_req_duration", "rate>1"}, {"checks", "count>1"}, {"vus", "max<5"}, {"http_req_duration", "count<3"}, {"http_reqs", "count=5"},
};

static void bad_thresholds_are_invalid_configuration(void **state)
{
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct fixture f = make();
        struct error err = {0};
        assert_true(thresholds_add_metric(f.thresholds, refused[i].selector, &err));
        assert_false(thresholds_add(f.thresholds, refused[i].selector, refused[i].source, false, NULL, &err));
        assert_int_equal(err.code, EXIT_INVALID_CONFIG);
        error_clear(&err);
        drop(&f);
    }
    struct fixture f = make();
    struct error err = {0};
    assert_false(thresholds_add_metric(f.thresholds, "nobody_made_this", &err));
    assert_non_null(strstr(err.text, "no metric name \"nobody_made_this\" found"));
    assert_false(thresholds_add_metric(f.thresholds, "http_reqs{tag:}", &err));
    assert_false(thresholds_add_metric(f.thresholds, "http_reqs{tag:x", &err));
    error_clear(&err);
    drop(&f);
}

static const struct {
    const char *source;
    bool ok;
} judged[] = {
    {"count==3", true}, {"count===3", true}, {"count!=3", false}, {"count>2.5", true}, {"count >= 3", true}, {"count<3", false}, {"count<=3", true}, {"rate>0", true},
};

static void operators_judge_values(void **state)
{
    for (size_t i = 0; i < sizeof(judged) / sizeof(judged[0]); i++) {
        struct fixture f = make();
        struct threshold_verdict v;
        thresholds_add_metric(f.thresholds, "http_reqs", NULL);
        assert_true(thresholds_add(f.thresholds, "http_reqs", judged[i].source, false, NULL, NULL));
        add(&f, builtin_metric(BUILTIN_HTTP_REQS), 3, NULL, NULL);
        collector_collect(f.collector);
        thresholds_evaluate(f.thresholds, INT64_C(1000000000), true, &v);
        assert_int_equal(v.failed == NULL, judged[i].ok);
        mem_free(v.failed);
        drop(&f);
    }
}

static void without_samples_rates_pass_and_others_are_zero(void **state)
{
    struct fixture f = make();
    struct threshold_verdict v;
    thresholds_add_metric(f.thresholds, "checks", NULL);
    thresholds_add_metric(f.thresholds, "http_req_duration", NULL);
    thresholds_add_metric(f.thresholds, "http_reqs", NULL);
    thresholds_add(f.thresholds, "checks", "rate>0.99", false, NULL, NULL);
    thresholds_add(f.thresholds, "http_req_duration", "p(95)<1", false, NULL, NULL);
    thresholds_add(f.thresholds, "http_reqs", "count>0", false, NULL, NULL);
    thresholds_evaluate(f.thresholds, 1, false, &v);
    assert_null(v.failed); /* before the end, empty metrics are not judged */
    thresholds_evaluate(f.thresholds, 1, true, &v);
    assert_string_equal(v.failed, "http_reqs");
    mem_free(v.failed);
    drop(&f);
}

static void abort_waits_for_its_delay(void **state)
{
    struct fixture f = make();
    struct threshold_verdict v;
    thresholds_add_metric(f.thresholds, "http_reqs", NULL);
    thresholds_add(f.thresholds, "http_reqs", "count<1", true, "10s", NULL);
    add(&f, builtin_metric(BUILTIN_HTTP_REQS), 3, NULL, NULL);
    collector_collect(f.collector);
    thresholds_evaluate(f.thresholds, INT64_C(9999999999), false, &v);
    assert_false(v.abort);
    mem_free(v.failed);
    thresholds_evaluate(f.thresholds, INT64_C(10000000001), false, &v);
    assert_true(v.abort);
    mem_free(v.failed);
    drop(&f);
}

static void groups_and_checks_grow_from_tags(void **state)
{
    struct fixture f = make();
    struct tag outer = {"group", "::outer::inner"}, check[] = {{"group", "::outer::inner"}, {"check", "is fine"}};
    const struct tagset *empty = tagset_empty(f.tags);
    struct sample duration = {builtin_metric(BUILTIN_GROUP_DURATION), tagset_with(f.tags, empty, &outer, 1), 5};
    struct sample checks = {builtin_metric(BUILTIN_CHECKS), tagset_with(f.tags, empty, check, 2), 1};
    shard_add(f.shard, &duration, 1, 0, 0, NULL, 0);
    shard_add(f.shard, &checks, 1, 0, 0, NULL, 0);
    checks.value = 0;
    shard_add(f.shard, &checks, 1, 0, 0, NULL, 0);
    collector_collect(f.collector);
    struct summary *s = collector_summary(f.collector, f.thresholds, 1);
    assert_string_equal(s->root->id, "d41d8cd98f00b204e9800998ecf8427e");
    const struct summary_group *inner = s->root->groups[0]->groups[0];
    assert_string_equal(inner->path, "::outer::inner");
    assert_string_equal(inner->checks[0].path, "::outer::inner::is fine");
    assert_int_equal(inner->checks[0].passes, 1);
    assert_int_equal(inner->checks[0].fails, 1);
    summary_free(s);
    drop(&f);
}

static void raw_samples_are_bounded_and_counted(void **state)
{
    struct fixture f = make();
    size_t count;
    uint64_t dropped;
    struct tag metadata = {"vu", "7"};
    struct sample sample = {builtin_metric(BUILTIN_ITERATIONS), tagset_empty(f.tags), 1};
    collector_keep_raw(f.collector, 3);
    assert_true(shard_wants_metadata(f.shard));
    for (int i = 0; i < 5; i++)
        shard_add(f.shard, &sample, 1, i, 0, &metadata, 1);
    collector_collect(f.collector);
    struct raw_sample *raw = collector_take_raw(f.collector, &count, &dropped);
    assert_int_equal(count, 3);
    assert_int_equal(dropped, 2);
    assert_memory_equal(raw[0].metadata, "vu\0" "7\0", 6);
    for (size_t i = 0; i < count; i++)
        mem_free(raw[i].metadata);
    mem_free(raw);
    assert_true(collector_sink(f.collector, sample.metric)->count == 5); /* totals miss nothing */
    drop(&f);
}

static void *hammer(void *arg)
{
    struct fixture *f = arg;
    struct shard *shard = f->shard;
    struct sample samples[2] = {{builtin_metric(BUILTIN_HTTP_REQS), tagset_empty(f->tags), 1}, {builtin_metric(BUILTIN_HTTP_REQ_DURATION), tagset_empty(f->tags), 2.5}};
    for (int i = 0; i < 200000; i++)
        shard_add(shard, samples, 2, i, 0, NULL, 0);
    return NULL;
}

static void nothing_is_lost_while_collecting(void **state)
{
    struct fixture f = make();
    pthread_t thread;
    pthread_create(&thread, NULL, hammer, &f);
    for (int i = 0; i < 200; i++)
        collector_collect(f.collector);
    pthread_join(thread, NULL);
    collector_collect(f.collector);
    assert_true(collector_sink(f.collector, builtin_metric(BUILTIN_HTTP_REQS))->count == 200000);
    assert_true(trend_count(collector_sink(f.collector, builtin_metric(BUILTIN_HTTP_REQ_DURATION))->trend) == 200000);
    drop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_tag_sets_are_one),
        cmocka_unit_test(metric_names_are_checked),
        cmocka_unit_test(samples_reach_metric_and_matching_parts),
        cmocka_unit_test(bad_thresholds_are_invalid_configuration),
        cmocka_unit_test(operators_judge_values),
        cmocka_unit_test(without_samples_rates_pass_and_others_are_zero),
        cmocka_unit_test(abort_waits_for_its_delay),
        cmocka_unit_test(groups_and_checks_grow_from_tags),
        cmocka_unit_test(raw_samples_are_bounded_and_counted),
        cmocka_unit_test(nothing_is_lost_while_collecting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
