//go:build go1.21

package cardea

import (
	"context"
	"log/slog"
)

// Slog makes a Logger of log/slog's. Notices are slog.LevelInfo.
func Slog(l *slog.Logger) Logger {
	return LogFunc(func(level Level, msg string, args ...any) {
		at := slog.LevelDebug
		switch level {
		case LevelError:
			at = slog.LevelError
		case LevelWarning:
			at = slog.LevelWarn
		case LevelNotice:
			at = slog.LevelInfo
		}
		l.Log(context.Background(), at, msg, args...)
	})
}
