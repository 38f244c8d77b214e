package cardea

// #include "bridge.h"
import "C"

import (
	"bytes"
	"fmt"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"unsafe"
)

const (
	answerBuffer = 4 << 10  // an answer that fits goes at once, with its length
	answerPiece  = 64 << 10 // in one call
)

// answerWriter is the http.ResponseWriter of a Handler. As with net/http's, one goroutine at a time.
type answerWriter struct {
	served   *served
	header   http.Header
	status   int         // 0: not chosen yet
	sent     http.Header // the header when it was chosen
	trailers []string    // declared
	declared int64       // Content-Length; -1: none
	written  int64
	head     bool // the answer to HEAD
	buffer   []byte
	begun    bool // the library has the head
	err      error
}

func (w *answerWriter) Header() http.Header { return w.header }

// WriteHeader of an informational status sends it at once. 100 is sent by Cardea itself, and 101 is not for handlers.
func (w *answerWriter) WriteHeader(status int) {
	if status < 100 || status > 999 {
		panic(fmt.Sprintf("cardea: invalid status %d", status))
	}
	if w.status != 0 || w.served.over.Load() || status == http.StatusContinue {
		return
	}
	if status < 200 && status != http.StatusSwitchingProtocols {
		w.fail(w.give(C.CARDEA_GO_HEAD, status, w.header, nil))
		return
	}
	w.status, w.sent = status, w.header.Clone()
	for _, names := range w.sent.Values("Trailer") {
		for _, name := range strings.Split(names, ",") {
			name = textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name))
			w.trailers = append(w.trailers, name)
			w.sent.Del(name)
		}
	}
	if status == http.StatusNoContent {
		w.sent.Del("Content-Length")
	}
	if text := w.sent.Get("Content-Length"); text != "" {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 {
			w.declared = n
		} else {
			w.sent.Del("Content-Length")
		}
	}
}

func (w *answerWriter) bodyless() bool {
	return w.status == http.StatusNoContent || w.status == http.StatusNotModified
}

func (w *answerWriter) Write(p []byte) (int, error) {
	if w.served.over.Load() {
		return 0, failure("write", ErrClosed, "the handler has returned")
	}
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if w.err != nil {
		return 0, w.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	if w.bodyless() {
		return 0, http.ErrBodyNotAllowed
	}
	if w.declared >= 0 && w.written+int64(len(p)) > w.declared {
		return 0, http.ErrContentLength
	}
	if len(w.buffer)+len(p) <= answerBuffer {
		w.buffer = append(w.buffer, p...)
		w.written += int64(len(p))
		return len(p), nil
	}
	if w.begin(p); w.err != nil {
		return 0, w.err
	}
	n := w.push(p)
	w.written += int64(n)
	return n, w.err
}

// WriteString is Write.
func (w *answerWriter) WriteString(s string) (int, error) { return w.Write([]byte(s)) }

// Flush sends what was written.
func (w *answerWriter) Flush() { _ = w.FlushError() }

// FlushError sends what was written, for http.ResponseController.
func (w *answerWriter) FlushError() error {
	if w.served.over.Load() {
		return failure("flush", ErrClosed, "the handler has returned")
	}
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	w.begin(nil)
	return w.err
}

// EnableFullDuplex is for http.ResponseController: it always is.
func (w *answerWriter) EnableFullDuplex() error { return nil }

// begin gives the head, if it was not given, and what is in the buffer.
func (w *answerWriter) begin(next []byte) {
	if w.err != nil {
		return
	}
	if !w.begun {
		w.sniff(next)
		w.fail(w.give(C.CARDEA_GO_HEAD, w.status, w.sent, nil))
		w.begun = true
	}
	if w.push(w.buffer); w.err == nil {
		w.buffer = w.buffer[:0]
	}
}

// sniff says what the body is when the handler has not.
func (w *answerWriter) sniff(next []byte) {
	if _, said := w.sent["Content-Type"]; said || w.bodyless() || w.sent.Get("Content-Encoding") != "" {
		return
	}
	first := w.buffer
	if len(first) < 512 && len(next) > 0 {
		if len(next) > 512 {
			next = next[:512]
		}
		first = append(append(make([]byte, 0, 1024), first...), next...)
	}
	if len(first) > 0 {
		w.sent.Set("Content-Type", http.DetectContentType(first))
	}
}

// push waits while the client does not take more; how much was taken.
func (w *answerWriter) push(p []byte) int {
	taken := 0
	for taken < len(p) && w.err == nil {
		piece := p[taken:]
		if len(piece) > answerPiece {
			piece = piece[:answerPiece]
		}
		code := C.cardea_answer_write(C.cardea_token(w.served.token), (*C.char)(unsafe.Pointer(&piece[0])), C.size_t(len(piece)), nil, nil)
		switch {
		case code >= 0:
			taken += len(piece)
		case code == C.CARDEA_EAGAIN:
			w.fail(w.served.wait(w.served.writable))
		default:
			w.fail(check("write", code, nil))
		}
	}
	return taken
}

func (w *answerWriter) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// finish completes the answer when the handler has returned.
func (w *answerWriter) finish() error {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if w.err != nil {
		return w.err
	}
	trailers := w.trailing()
	fits := w.declared < 0 || w.head || w.declared == int64(len(w.buffer))
	if !w.begun && len(trailers) == 0 && fits {
		w.sniff(nil)
		return w.give(C.CARDEA_GO_WHOLE, w.status, w.sent, w.buffer)
	}
	if w.begin(nil); w.err != nil {
		return w.err
	}
	return w.give(C.CARDEA_GO_END, 0, trailers, nil)
}

// trailing are the fields that come behind the body: declared ones, and those with http.TrailerPrefix.
func (w *answerWriter) trailing() http.Header {
	found := http.Header{}
	for _, name := range w.trailers {
		if values := w.header[name]; len(values) > 0 {
			found[name] = values
		}
	}
	for name, values := range w.header {
		if strings.HasPrefix(name, http.TrailerPrefix) {
			name = textproto.CanonicalMIMEHeaderKey(strings.TrimPrefix(name, http.TrailerPrefix))
			found[name] = append(found[name], values...)
		}
	}
	return found
}

// Those belong to the connection, which is Cardea's.
var ofTheHop = map[string]bool{"Connection": true, "Keep-Alive": true, "Proxy-Connection": true, "Te": true,
	"Transfer-Encoding": true, "Upgrade": true, "Http2-Settings": true}

// give hands fields and, of a whole answer, its body to the library.
func (w *answerWriter) give(how C.int, status int, header http.Header, body []byte) error {
	var text bytes.Buffer
	var lengths []C.uint32_t
	for name, values := range header {
		if ofTheHop[name] || strings.HasPrefix(name, http.TrailerPrefix) || (status < 200 && name == "Content-Length") {
			continue
		}
		for _, value := range values {
			text.WriteString(name)
			text.WriteString(value)
			lengths = append(lengths, C.uint32_t(len(name)), C.uint32_t(len(value)))
		}
	}
	var fields, bytesOfBody *C.char
	var sizes *C.uint32_t
	if text.Len() > 0 {
		fields = (*C.char)(unsafe.Pointer(&text.Bytes()[0]))
		sizes = &lengths[0]
	}
	if len(body) > 0 {
		bytesOfBody = (*C.char)(unsafe.Pointer(&body[0]))
	}
	code := C.cardea_go_answer(C.cardea_token(w.served.token), how, C.int(status), fields, sizes, C.size_t(len(lengths)/2),
		bytesOfBody, C.size_t(len(body)))
	return check("answer", code, nil)
}
