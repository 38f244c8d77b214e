// Trace context (W3C Trace Context level 1): the trace that a request belongs to.
#pragma once

#include "base/base.h"
#include "base/random.h"
#include "http/http.h"

namespace cardea::route {

// The request's own traceparent when it has exactly one and that is valid, else a new one (not sampled) in the head's
// arena. Always valid: the trace id is the 32 characters from the fourth on. Changes no field.
Bytes traceparent_of(http::RequestHead& head, Random& random);

// What traceparent_of() gave, for the service: the request's own passes with its tracestate as it came; a new one
// replaces whatever was there, and tracestate goes.
void apply_trace(http::Fields& fields, Bytes traceparent);

}  // namespace cardea::route
