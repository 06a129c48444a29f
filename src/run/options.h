/* SPDX-License-Identifier: Apache-2.0 */
/* k6's options (script `options`, config file, K6_* environment, flags). A layer is a struct options in
 * which only what that source said is set; consolidation lays one over another. Times in nanoseconds.
 * All memory belongs to the struct options. Built on the main thread; constant during a run. */
#ifndef RUN_OPTIONS_H
#define RUN_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "net/net.h"
#include "run/scenario_config.h"

/* set false: no source gave it; value is then without meaning. */
struct opt_bool { bool set, value; };
struct opt_int { bool set; int64_t value; };
struct opt_duration { bool set; int64_t ns; };
struct opt_text { bool set; const char *value; };
struct opt_list { bool set; const char **items; size_t count; };
struct opt_pairs { bool set; struct option_pair *items; size_t count; };
struct opt_stages { bool set; struct stage *items; size_t count; };
struct opt_scenarios { bool set; struct scenario_config *items; size_t count; };
struct opt_tls_auth { bool set; struct net_tls_auth *items; size_t count; };
struct opt_hosts { bool set; struct net_host *items; size_t count; };

struct options {
    struct arena memory; /* everything below points into it */
    struct opt_int vus, iterations;
    struct opt_duration duration;
    struct opt_stages stages;
    struct opt_scenarios scenarios;
    struct opt_text execution_segment, execution_segment_sequence;
    struct opt_bool paused, no_setup, no_teardown;
    struct opt_duration setup_timeout, teardown_timeout, handle_summary_timeout; /* 60, 60, 120 s */
    struct opt_duration min_iteration_duration;
    struct opt_int rps, max_redirects, batch, batch_per_host; /* off, 10, 20, 6 */
    struct opt_text user_agent, http_debug; /* http_debug: "", "headers", "full" */
    struct opt_duration dns_ttl;            /* INT64_MAX: for ever; 5 min */
    struct { bool set; enum dns_select value; } dns_select;
    struct { bool set; enum dns_policy value; } dns_policy;
    struct opt_bool insecure_skip_tls_verify, throw_errors, no_connection_reuse, no_vu_connection_reuse;
    struct opt_bool no_cookies_reset, discard_response_bodies;
    struct opt_list tls_cipher_suites;
    struct opt_text tls_min, tls_max; /* "tls1.0" ... "tls1.3" */
    struct opt_tls_auth tls_auth;
    struct opt_text thresholds_json, cloud_json, ext_json; /* as written; metrics reads the thresholds */
    struct opt_list blacklist_ips, block_hostnames;
    struct opt_hosts hosts;
    struct opt_list summary_trend_stats, system_tags; /* system_tags: set and empty disables all */
    struct opt_text summary_time_unit;                /* "", "s", "ms", "us" */
    struct opt_pairs tags;
    struct opt_int metric_samples_buffer_size;
    struct opt_text console_output, local_ips; /* environment and flags only */
};

#endif
