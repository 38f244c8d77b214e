package cardea

// #include "bridge.h"
import "C"

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"
)

// Config is a checked, frozen configuration; safe for use by many goroutines. It is memory only: Close frees it at once,
// the garbage collector otherwise. A proxy keeps what it uses.
type Config struct {
	mu sync.Mutex
	c  *C.cardea_config
}

// Load reads and checks a configuration file: YAML or JSON, Pomerium's keys. Files that it names are relative to its folder.
func Load(path string) (*Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	return Parse(string(text), path)
}

// Parse reads and checks a configuration's text; source stands in messages, and files that the text names are relative to
// its folder. The error tells every fault at once: Error.Faults.
func Parse(text, source string) (*Config, error) {
	return (&Draft{Base: text, Source: source}).Seal()
}

// FromValue is Parse for what becomes JSON: a map, a struct with json tags.
func FromValue(value any) (*Config, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, failure("config", ErrInvalid, "%v", err)
	}
	return Parse(string(text), "config")
}

// Close frees the configuration. It may be called more than once.
func (c *Config) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	runtime.SetFinalizer(c, nil)
	C.cardea_config_unref(c.c)
	c.c = nil
	return nil
}

// with calls fn with the handle while nobody closes it.
func (c *Config) with(op string, fn func(*C.cardea_config) error) error {
	if c == nil {
		return failure(op, ErrInvalid, "there is no configuration")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.c == nil {
		return failure(op, ErrClosed, "the configuration is closed")
	}
	return fn(c.c)
}

// Int is the effective value of a global bool, integer or duration (in milliseconds) option.
func (c *Config) Int(name string) (int64, error) {
	var out C.int64_t
	err := c.with("config", func(h *C.cardea_config) error {
		s, n := bytesOf(name)
		id := C.cardea_option_by_name(C.CARDEA_OWNER_GLOBAL, s, n)
		if id < 0 {
			return failure("config", Code(id), "there is no global option %q", name)
		}
		return check("config: "+name, C.cardea_config_get_int(h, id, &out), nil)
	})
	return int64(out), err
}

// Duration is the effective value of a global duration option.
func (c *Config) Duration(name string) (time.Duration, error) {
	ms, err := c.Int(name)
	return time.Duration(ms) * time.Millisecond, err
}

// Text is the value of a global string option as it was set; empty when it was not.
func (c *Config) Text(name string) (string, error) {
	var out string
	err := c.with("config", func(h *C.cardea_config) error {
		s, n := bytesOf(name)
		id := C.cardea_option_by_name(C.CARDEA_OWNER_GLOBAL, s, n)
		if id < 0 {
			return failure("config", Code(id), "there is no global option %q", name)
		}
		var lent C.cardea_str
		err := check("config: "+name, C.cardea_config_get_str(h, id, &lent), nil)
		out = stringOf(lent)
		return err
	})
	return out, err
}

// Files are the files that were read for it: certificates, keys; not the configuration's own. Watch them to reload.
func (c *Config) Files() ([]string, error) {
	return c.list("config files", func(h *C.cardea_config, i C.size_t, s *C.cardea_str) C.int {
		return C.cardea_config_file(h, i, s)
	})
}

// Schemes are what the listeners speak, in their order: "https" or "http".
func (c *Config) Schemes() ([]string, error) {
	return c.list("config schemes", func(h *C.cardea_config, i C.size_t, s *C.cardea_str) C.int {
		return C.cardea_config_listener_scheme(h, i, s)
	})
}

func (c *Config) list(op string, get func(*C.cardea_config, C.size_t, *C.cardea_str) C.int) ([]string, error) {
	var all []string
	err := c.with(op, func(h *C.cardea_config) error {
		for i := C.size_t(0); ; i++ {
			var lent C.cardea_str
			switch code := get(h, i, &lent); {
			case Code(code) == ErrNotFound:
				return nil
			case code < 0:
				return check(op, code, nil)
			}
			all = append(all, stringOf(lent))
		}
	})
	return all, err
}
