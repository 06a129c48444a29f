/* SPDX-License-Identifier: Apache-2.0 */
/* k6's built-in metrics and our own two, as a fixed table: their ids are these numbers. */
#ifndef METRICS_BUILTIN_H
#define METRICS_BUILTIN_H

#include "metrics/metrics.h"

#define BUILTIN_METRICS(X)                                                   \
    X(VUS, "vus", GAUGE, DEFAULT)                                            \
    X(VUS_MAX, "vus_max", GAUGE, DEFAULT)                                    \
    X(ITERATIONS, "iterations", COUNTER, DEFAULT)                            \
    X(ITERATION_DURATION, "iteration_duration", TREND, TIME)                 \
    X(DROPPED_ITERATIONS, "dropped_iterations", COUNTER, DEFAULT)            \
    X(CHECKS, "checks", RATE, DEFAULT)                                       \
    X(GROUP_DURATION, "group_duration", TREND, TIME)                         \
    X(HTTP_REQS, "http_reqs", COUNTER, DEFAULT)                              \
    X(HTTP_REQ_FAILED, "http_req_failed", RATE, DEFAULT)                     \
    X(HTTP_REQ_DURATION, "http_req_duration", TREND, TIME)                   \
    X(HTTP_REQ_BLOCKED, "http_req_blocked", TREND, TIME)                     \
    X(HTTP_REQ_CONNECTING, "http_req_connecting", TREND, TIME)               \
    X(HTTP_REQ_TLS_HANDSHAKING, "http_req_tls_handshaking", TREND, TIME)     \
    X(HTTP_REQ_SENDING, "http_req_sending", TREND, TIME)                     \
    X(HTTP_REQ_WAITING, "http_req_waiting", TREND, TIME)                     \
    X(HTTP_REQ_RECEIVING, "http_req_receiving", TREND, TIME)                 \
    X(WS_SESSIONS, "ws_sessions", COUNTER, DEFAULT)                          \
    X(WS_MSGS_SENT, "ws_msgs_sent", COUNTER, DEFAULT)                        \
    X(WS_MSGS_RECEIVED, "ws_msgs_received", COUNTER, DEFAULT)                \
    X(WS_PING, "ws_ping", TREND, TIME)                                       \
    X(WS_SESSION_DURATION, "ws_session_duration", TREND, TIME)               \
    X(WS_CONNECTING, "ws_connecting", TREND, TIME)                           \
    X(GRPC_REQ_DURATION, "grpc_req_duration", TREND, TIME)                   \
    X(DATA_SENT, "data_sent", COUNTER, DATA)                                 \
    X(DATA_RECEIVED, "data_received", COUNTER, DATA)                         \
    X(GENERATOR_LAG, "generator_lag", TREND, TIME)                           \
    X(ITERATION_LAG, "iteration_lag", TREND, TIME)

enum builtin {
#define BUILTIN_ENUM(id, name, type, contains) BUILTIN_##id,
    BUILTIN_METRICS(BUILTIN_ENUM)
#undef BUILTIN_ENUM
    BUILTIN_COUNT,
};

extern const struct metric builtin_metrics[BUILTIN_COUNT];

static inline const struct metric *builtin_metric(enum builtin which)
{
    return &builtin_metrics[which];
}

#endif
