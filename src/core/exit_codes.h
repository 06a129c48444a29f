/* SPDX-License-Identifier: Apache-2.0 */
/* k6's exit codes. */
#ifndef CORE_EXIT_CODES_H
#define CORE_EXIT_CODES_H

enum exit_code {
    EXIT_OK = 0,
    EXIT_THRESHOLDS_FAILED = 99,
    EXIT_SETUP_TIMEOUT = 100,
    EXIT_TEARDOWN_TIMEOUT = 101,
    EXIT_GENERIC_TIMEOUT = 102,
    EXIT_STOPPED_BY_API = 103,
    EXIT_INVALID_CONFIG = 104,
    EXIT_EXTERNAL_ABORT = 105,
    EXIT_CANNOT_START_API = 106,
    EXIT_SCRIPT_EXCEPTION = 107,
    EXIT_SCRIPT_ABORTED = 108,
    EXIT_CRASH = 109,
    EXIT_MARKED_AS_FAILED = 110,
    EXIT_GENERIC = 255, /* bad flags, unreadable script, unknown output */
};

#endif
