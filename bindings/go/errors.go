package cardea

/*
#cgo pkg-config: cardea
#include "bridge.h"
*/
import "C"

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
)

// Code says what kind of failure an error is. A Code is itself an error, the target for errors.Is:
//
//	if errors.Is(err, cardea.ErrAddrInUse) { ... }
type Code int

// The kinds of failure. The numbers never change.
const (
	ErrInvalid      Code = C.CARDEA_EINVAL       // an argument is out of its domain
	ErrNoMemory     Code = C.CARDEA_ENOMEM       // memory ran out
	ErrInternal     Code = C.CARDEA_EINTERNAL    // a defect in Cardea: please report it
	ErrSealed       Code = C.CARDEA_ESEALED      // the object is frozen; nothing changed
	ErrConfig       Code = C.CARDEA_ECONFIG      // the configuration is not valid; see Error.Faults
	ErrIO           Code = C.CARDEA_EIO          // the operating system refused
	ErrTLS          Code = C.CARDEA_ETLS         // a key or certificate is not usable
	ErrAddrInUse    Code = C.CARDEA_EADDRINUSE   // another socket has the address
	ErrNotFound     Code = C.CARDEA_ENOTFOUND    // there is no such thing
	ErrNotSupported Code = C.CARDEA_ENOTSUP      // not on this platform or not in this build
	ErrStale        Code = C.CARDEA_ESTALE       // what the token named is over
	ErrReentrant    Code = C.CARDEA_EREENTRANT   // a call from inside a callback that may not be made there
	ErrWrongThread  Code = C.CARDEA_EWRONGTHREAD // a call from a thread that may not make it
	ErrClosed       Code = C.CARDEA_ECLOSED      // the proxy, the worker or the configuration is closed
	ErrTimedOut     Code = C.CARDEA_ETIMEDOUT    // the time for it is over
	ErrForked       Code = C.CARDEA_EFORKED      // a forked process must not use its parent's workers
	ErrExists       Code = C.CARDEA_EEXIST       // there is one already
	ErrAgain        Code = C.CARDEA_EAGAIN       // not now
)

// Error is a sentence about the kind of failure.
func (c Code) Error() string { return "cardea: " + C.GoString(C.cardea_strerror(C.int(c))) }

// String is the code's name in C: "CARDEA_EINVAL".
func (c Code) String() string { return C.GoString(C.cardea_errname(C.int(c))) }

// Is makes the standard library's words for the same thing match too.
func (c Code) Is(target error) bool {
	switch c {
	case ErrInvalid:
		return target == os.ErrInvalid
	case ErrAddrInUse:
		return target == error(syscall.EADDRINUSE)
	case ErrNotFound:
		return target == os.ErrNotExist
	case ErrNotSupported:
		return target == error(syscall.ENOTSUP)
	case ErrClosed:
		return target == net.ErrClosed || target == os.ErrClosed
	case ErrTimedOut:
		return target == os.ErrDeadlineExceeded || target == context.DeadlineExceeded
	case ErrExists:
		return target == os.ErrExist
	}
	return false
}

// Error is a failed call. errors.Is sees its Code and, when the operating system refused, its syscall.Errno.
type Error struct {
	Op      string        // what was attempted: "seal", "start worker"
	Code    Code          // what kind of failure
	Message string        // the library's words; a line for each fault of a configuration
	Errno   syscall.Errno // of the operating system; 0: none
}

func (e *Error) Error() string {
	if e.Message == "" {
		return "cardea: " + e.Op + ": " + strings.TrimPrefix(e.Code.Error(), "cardea: ")
	}
	return "cardea: " + e.Op + ": " + e.Message
}

// Is matches codes and numbers of the operating system.
func (e *Error) Is(target error) bool {
	if e.Errno != 0 && (target == error(e.Errno) || e.Errno.Is(target)) {
		return true
	}
	return target == error(e.Code) || e.Code.Is(target)
}

// Faults are the lines of a configuration that is not valid: "SOURCE:LINE:COLUMN: KEY: reason".
func (e *Error) Faults() []string {
	if e.Code != ErrConfig {
		return nil
	}
	return strings.Split(strings.TrimRight(e.Message, "\n"), "\n")
}

// CodeOf is the code of an error of this package, 0 for any other.
func CodeOf(err error) Code {
	var e *Error
	var c Code
	if errors.As(err, &e) {
		return e.Code
	}
	if errors.As(err, &c) {
		return c
	}
	return 0
}

func failure(op string, code Code, format string, args ...any) *Error {
	return &Error{Op: op, Code: code, Message: fmt.Sprintf(format, args...)}
}

// check makes an error of a result and of what the library said about it, which it frees.
func check(op string, code C.int, said *C.cardea_error) error {
	var message string
	var errno syscall.Errno
	if said != nil {
		message = C.GoString(C.cardea_error_message(said))
		if n := int64(C.cardea_error_source_code(said)); n != 0 && (Code(code) == ErrIO || Code(code) == ErrAddrInUse) {
			if n < 0 {
				n = -n
			}
			errno = syscall.Errno(n)
		}
		C.cardea_error_free(said)
	}
	if code >= 0 {
		return nil
	}
	return &Error{Op: op, Code: Code(code), Message: message, Errno: errno}
}
