/* SPDX-License-Identifier: Apache-2.0 */
/* The samples of a request: one set for every exchange on the wire. */
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "http/url.h"
#include "metrics/builtin.h"
#include "script/k6/http_job.h"

#define MAX_TAGS 64

static bool is_expected(const struct response_callback *callback, int status)
{
    if (callback->kind == CALLBACK_DEFAULT)
        return status >= 200 && status < 400;
    for (size_t i = 0; i < callback->ranges->count; i++)
        if (status >= callback->ranges->ranges[i].min && status <= callback->ranges->ranges[i].max)
            return true;
    return false;
}

struct tag_list {
    const struct vu *vu;
    struct tag tags[MAX_TAGS];
    size_t count;
};

static void add(struct tag_list *list, unsigned bit, const char *key, const char *value)
{
    if (value && value[0] && vu_has_system_tag(list->vu, bit) && list->count < MAX_TAGS)
        list->tags[list->count++] = (struct tag){key, value};
}

static const struct tagset *hop_tags(struct http_job *job, const struct http_hop *hop, int expected)
{
    struct tag_list list = {.vu = job->vu};
    char status[12], code[12];
    snprintf(status, sizeof(status), "%d", hop->status);
    snprintf(code, sizeof(code), "%d", hop->error_code);
    const char *name = job->name ? job->name : hop->url->clean;
    add(&list, TAG_PROTO, "proto", hop->proto);
    add(&list, TAG_STATUS, "status", status);
    add(&list, TAG_METHOD, "method", hop->method);
    add(&list, TAG_URL, "url", name);
    add(&list, TAG_NAME, "name", name);
    add(&list, TAG_ERROR, "error", hop->error);
    if (hop->error_code)
        add(&list, TAG_ERROR_CODE, "error_code", code);
    add(&list, TAG_TLS_VERSION, "tls_version", hop->tls_version);
    add(&list, TAG_OCSP_STATUS, "ocsp_status", hop->ocsp_status);
    add(&list, TAG_IP, "ip", hop->remote_ip);
    if (expected >= 0)
        add(&list, TAG_EXPECTED_RESPONSE, "expected_response", expected ? "true" : "false");
    for (size_t i = 0; i < job->tags.count && list.count < MAX_TAGS; i++)
        if (strcmp(job->tags.list[i].key, "name") != 0 || vu_has_system_tag(job->vu, TAG_NAME))
            list.tags[list.count++] = job->tags.list[i];
    return vu_tags_with(job->vu, list.tags, list.count);
}

static double ms(int64_t ns)
{
    return (double)ns / 1e6;
}

static void emit_hop(struct http_job *job, const struct http_hop *hop)
{
    int expected = job->callback.kind == CALLBACK_NONE ? -1 : is_expected(&job->callback, hop->status);
    const struct tagset *tags = hop_tags(job, hop, expected);
    const struct http_timings *t = &hop->timings;
    struct sample samples[10] = {
        {builtin_metric(BUILTIN_HTTP_REQS), tags, 1},
        {builtin_metric(BUILTIN_HTTP_REQ_BLOCKED), tags, ms(t->blocked)},
        {builtin_metric(BUILTIN_HTTP_REQ_CONNECTING), tags, ms(t->connecting)},
        {builtin_metric(BUILTIN_HTTP_REQ_TLS_HANDSHAKING), tags, ms(t->tls_handshaking)},
        {builtin_metric(BUILTIN_HTTP_REQ_SENDING), tags, ms(t->sending)},
        {builtin_metric(BUILTIN_HTTP_REQ_RECEIVING), tags, ms(t->receiving)},
    };
    size_t count = 6;
    if (hop->status)
        samples[count++] = (struct sample){builtin_metric(BUILTIN_GENERATOR_LAG), tags, ms(t->generator_lag)};
    if (expected >= 0)
        samples[count++] = (struct sample){builtin_metric(BUILTIN_HTTP_REQ_FAILED), tags, !expected};
    struct sample latency[2] = {{builtin_metric(BUILTIN_HTTP_REQ_DURATION), tags, ms(t->duration)},
                                {builtin_metric(BUILTIN_HTTP_REQ_WAITING), tags, ms(t->waiting)}};
    if (hop->error_code == 1050) {
        vu_emit_at(job->vu, samples, count, hop->ended_wall_ns, 0);
        vu_emit_at(job->vu, latency, 2, hop->ended_wall_ns, SAMPLE_TIMED_OUT);
        return;
    }
    samples[count++] = latency[0];
    samples[count++] = latency[1];
    vu_emit_at(job->vu, samples, count, hop->ended_wall_ns, 0);
}

void http_job_emit(struct http_job *job)
{
    const struct http_response *response = job->response;
    const struct tagset *tags = job->vu->tags;
    job->vu->tags = job->base_tags;
    for (size_t i = 0; i < response->hop_count; i++)
        emit_hop(job, &response->hops[i]);
    job->vu->tags = tags;
    if (response->redirect_limit_hit)
        log_warning("stopped after %zu redirects (option maxRedirects) and returned the last response: %s", response->hop_count - 1,
                    response->url->clean);
    if (response->status == 0 && !job->throws) {
        struct log_field field = {"error", response->error};
        log_write(LOG_WARNING, &field, 1, "Request Failed");
    }
}
