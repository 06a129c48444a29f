/* SPDX-License-Identifier: Apache-2.0 */
#include "net/ocsp.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <time.h>

static int64_t unix_time(const ASN1_GENERALIZEDTIME *when)
{
    struct tm tm;
    return when && ASN1_TIME_to_tm(when, &tm) ? (int64_t)timegm(&tm) : 0;
}

static const char *reason_name(int reason)
{
    static const char *const names[] = {"unspecified", "key_compromise", "ca_compromise", "affiliation_changed",
        "superseded", "cessation_of_operation", "certificate_hold", NULL, "remove_from_crl",
        "privilege_withdrawn", "aa_compromise"};
    const char *name = reason >= 0 && reason < (int)(sizeof(names) / sizeof(names[0])) ? names[reason] : NULL;
    return name ? name : "unspecified";
}

static void read_single(OCSP_SINGLERESP *single, struct conn_ocsp *out)
{
    ASN1_GENERALIZEDTIME *revoked = NULL, *this_update = NULL, *next_update = NULL;
    int reason = -1;
    switch (OCSP_single_get0_status(single, &reason, &revoked, &this_update, &next_update)) {
    case V_OCSP_CERTSTATUS_GOOD:
        out->status = "good";
        break;
    case V_OCSP_CERTSTATUS_REVOKED:
        out->status = "revoked";
        out->revocation_reason = reason_name(reason);
        out->revoked_at = unix_time(revoked);
        break;
    default:
        out->status = "unknown";
    }
    out->this_update = unix_time(this_update);
    out->next_update = unix_time(next_update);
}

struct conn_ocsp ocsp_read(SSL *ssl)
{
    struct conn_ocsp out = {0};
    unsigned char *raw = NULL;
    long len = SSL_get_tlsext_status_ocsp_resp(ssl, &raw);
    const unsigned char *at = raw;
    OCSP_RESPONSE *response = raw && len > 0 ? d2i_OCSP_RESPONSE(NULL, &at, len) : NULL;
    OCSP_BASICRESP *basic = NULL;
    if (response && OCSP_response_status(response) == OCSP_RESPONSE_STATUS_SUCCESSFUL)
        basic = OCSP_response_get1_basic(response);
    if (basic && OCSP_resp_count(basic) > 0) {
        out.produced_at = unix_time(OCSP_resp_get0_produced_at(basic));
        read_single(OCSP_resp_get0(basic, 0), &out);
    }
    OCSP_BASICRESP_free(basic);
    OCSP_RESPONSE_free(response);
    ERR_clear_error();
    return out;
}
