//go:build go1.21

package cardea_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"cardea"
)

func TestSlog(t *testing.T) {
	var out bytes.Buffer
	l := cardea.Slog(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelInfo})))
	l.Log(cardea.LevelDebug, "not this")
	l.Log(cardea.LevelNotice, "n", "key", 1)
	l.Log(cardea.LevelWarning, "w")
	l.Log(cardea.LevelError, "e")
	text := out.String()
	for _, part := range []string{"level=INFO msg=n key=1", "level=WARN msg=w", "level=ERROR msg=e"} {
		if !strings.Contains(text, part) {
			t.Errorf("no %q in %s", part, text)
		}
	}
	if strings.Contains(text, "not this") {
		t.Error(text)
	}
}
