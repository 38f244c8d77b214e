package cardea_test

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"cardea"
)

// malformed is a request that the library writes a line about.
func malformed(t testing.TB, s *scene) {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(s.base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	io.WriteString(c, "nonsense\r\n\r\n")
	io.ReadAll(c)
}

func TestLibraryLines(t *testing.T) {
	var log lines
	s := open(t, draft(service(t).URL, cardea.Public()), cardea.Hooks{})
	malformed(t, s) // silence is the default
	if err := cardea.SetLogger(&log, cardea.LevelNotice); err != nil {
		t.Fatal(err)
	}
	defer cardea.SetLogger(nil, 0)
	malformed(t, s)
	eventually(t, "a line comes", func() bool { return log.has("notice: request from 127.0.0.1:") })
	if err := cardea.SetLogger(&log, 0); !errors.Is(err, cardea.ErrInvalid) {
		t.Error(err)
	}
	before := len(log.all)
	malformed(t, s)
	if err := cardea.SetLogger(cardea.LogFunc(func(cardea.Level, string, ...any) { panic("a logger's") }), cardea.LevelDebug); err != nil {
		t.Fatal(err)
	}
	malformed(t, s)
	if err := cardea.SetLogger(nil, 0); err != nil || len(log.all) != before {
		t.Error(err, log.all)
	}
}

// A logger that hangs costs lines, not memory or requests.
func TestLogIsBounded(t *testing.T) {
	var log lines
	wait := make(chan struct{})
	s := open(t, draft(service(t).URL, cardea.Public()), cardea.Hooks{})
	slow := cardea.LogFunc(func(level cardea.Level, msg string, args ...any) {
		<-wait
		log.Log(level, msg, args...)
	})
	if err := cardea.SetLogger(slow, cardea.LevelNotice); err != nil {
		t.Fatal(err)
	}
	defer cardea.SetLogger(nil, 0)
	for i := 0; i < 300; i++ {
		malformed(t, s)
	}
	close(wait)
	eventually(t, "lost lines are told", func() bool { return log.has("lines were lost") })
}
