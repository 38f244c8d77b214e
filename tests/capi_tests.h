/* The cases of capi_test, file by file, and a certificate for app.test. C89. */
#ifndef CARDEA_TESTS_CAPI_TESTS_H
#define CARDEA_TESTS_CAPI_TESTS_H

#include "capi_peer.h"

extern const test_case constant_cases[], config_cases[], ownership_cases[], worker_cases[], thread_cases[],
    callback_cases[], authorize_cases[], change_cases[], queue_cases[], live_cases[], live_end_cases[],
    live_thread_cases[], cluster_cases[], drain_cases[], answer_cases[], host_cases[];

#define CERTIFICATE                                                    \
  "-----BEGIN CERTIFICATE-----\n"                                      \
  "MIIBlzCCAT6gAwIBAgIUIy48uXF2N0lP2VsNyuHf9DgX7SEwCgYIKoZIzj0EAwIw\n" \
  "EzERMA8GA1UEAwwIYXBwLnRlc3QwIBcNMjYxMTI0MTEyMzM1WhgPMjEyNjEwMzEx\n" \
  "MTIzMzVaMBMxETAPBgNVBAMMCGFwcC50ZXN0MFkwEwYHKoZIzj0CAQYIKoZIzj0D\n" \
  "AQcDQgAEvEclZBWAz/LtSlTOqdq5mwDpSat28eCiiM1ALZU3ECvBXLGStrjcwtGg\n" \
  "PXkPWB3v6UhU3uYg1IBjp4n1ZuEvIKNuMGwwHQYDVR0OBBYEFNH+Q54LRRxHeJ2D\n" \
  "IDS1Ps5T9OfsMB8GA1UdIwQYMBaAFNH+Q54LRRxHeJ2DIDS1Ps5T9OfsMA8GA1Ud\n" \
  "EwEB/wQFMAMBAf8wGQYDVR0RBBIwEIIIYXBwLnRlc3SHBH8AAAEwCgYIKoZIzj0E\n" \
  "AwIDRwAwRAIgP+dJATVm4or7ZrVw9n4v8vp8JQGt3K1rHFa2JU8fSmUCICtg4+zi\n" \
  "DIUG8QzkLWPwc18ompDXB1XmsQzLTD6MHkpM\n"                             \
  "-----END CERTIFICATE-----\n"
#define PRIVATE_KEY                                                    \
  "-----BEGIN PRIVATE KEY-----\n"                                      \
  "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgmt//UOjbIJaw3yiy\n" \
  "A6wlhyOa1XIEl2BCnba+8jPfu4ehRANCAAS8RyVkFYDP8u1KVM6p2rmbAOlJq3bx\n" \
  "4KKIzUAtlTcQK8FcsZK2uNzC0aA9eQ9YHe/pSFTe5iDUgGOnifVm4S8g\n"         \
  "-----END PRIVATE KEY-----\n"
#define OTHER_PRIVATE_KEY                                              \
  "-----BEGIN PRIVATE KEY-----\n"                                      \
  "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgpJybz5tHt/L7uoIl\n" \
  "QBGfx9KSmeVgg4NINlcDUwqvBm2hRANCAASMeFnWfzZSHAcn1gc8R5+P2rDmSuHL\n" \
  "jWtFB36EqEZtCd26yI2Jx0GostWwPnPcMXIxKOQfB7B2uyRzUtAz7F9l\n"         \
  "-----END PRIVATE KEY-----\n"

#endif
