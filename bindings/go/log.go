package cardea

// #include "bridge.h"
import "C"

import (
	"os"
	"sync"
	"unsafe"
)

// Level is how serious a log line is; a smaller one is more serious.
type Level int

// The levels.
const (
	LevelError   Level = C.CARDEA_LOG_ERROR
	LevelWarning Level = C.CARDEA_LOG_WARNING
	LevelNotice  Level = C.CARDEA_LOG_NOTICE
	LevelDebug   Level = C.CARDEA_LOG_DEBUG
)

func (l Level) String() string {
	switch l {
	case LevelError:
		return "error"
	case LevelWarning:
		return "warning"
	case LevelNotice:
		return "notice"
	}
	return "debug"
}

// Logger takes messages with keys and values in turn, as log/slog has them. With Go 1.21 or later Slog makes one of a
// *slog.Logger.
type Logger interface {
	Log(level Level, msg string, args ...any)
}

// LogFunc is a function as a Logger.
type LogFunc func(level Level, msg string, args ...any)

// Log calls the function.
func (f LogFunc) Log(level Level, msg string, args ...any) { f(level, msg, args...) }

var processLog struct {
	sync.Mutex
	stop func()
}

// SetLogger sends the library's own lines to a logger: of all proxies of the process, up to this level. Nil is silence, as at
// first. Lines come from one goroutine; at most 256 wait for it, of 1,024 bytes each, and the next says how many were lost.
func SetLogger(to Logger, level Level) error {
	processLog.Lock()
	defer processLog.Unlock()
	if processLog.stop != nil {
		processLog.stop()
		processLog.stop = nil
	}
	if to == nil {
		return nil
	}
	if level < LevelError || level > LevelDebug {
		return failure("log", ErrInvalid, "there is no level %d", int(level))
	}
	fd := C.cardea_go_log_open(C.int(level))
	if fd < 0 {
		return check("log", fd, nil)
	}
	file := os.NewFile(uintptr(fd), "cardea log")
	wait, err := file.SyscallConn()
	if err != nil {
		C.cardea_go_log_close()
		file.Close()
		return err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for wait.Read(func(uintptr) bool { return drainLog(to) }) == nil {
		}
		drainLog(to)
	}()
	processLog.stop = func() {
		C.cardea_go_log_close()
		file.Close()
		<-done
	}
	return nil
}

// drainLog hands over all lines that wait; false when there were none.
func drainLog(to Logger) (any bool) {
	var line [C.CARDEA_GO_LINE_BYTES]byte
	for {
		var level C.int
		var n C.size_t
		var lost C.uint64_t
		taken := C.cardea_go_log_take(&level, (*C.char)(unsafe.Pointer(&line[0])), &n, &lost)
		if lost > 0 {
			say(to, LevelWarning, "cardea: log lines were lost", "lines", uint64(lost))
		}
		if taken == 0 {
			return any
		}
		any = true
		say(to, Level(level), string(line[:n]))
	}
}

// say survives a logger that panics: there is nobody left to tell.
func say(to Logger, level Level, msg string, args ...any) {
	if to == nil {
		return
	}
	defer func() { _ = recover() }()
	to.Log(level, msg, args...)
}
