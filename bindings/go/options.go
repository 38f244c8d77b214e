package cardea

// #include "bridge.h"
import "C"

import (
	"encoding/json"
	"fmt"
	"reflect"
	"sort"
	"time"
	"unsafe"
)

// Owner is the kind of object that an option belongs to.
type Owner int

// The owners of options.
const (
	OwnerGlobal   Owner = C.CARDEA_OWNER_GLOBAL
	OwnerListener Owner = C.CARDEA_OWNER_LISTENER
	OwnerRoute    Owner = C.CARDEA_OWNER_ROUTE
	OwnerCluster  Owner = C.CARDEA_OWNER_CLUSTER
)

var ownerNames = map[Owner]string{OwnerGlobal: "global", OwnerListener: "listener", OwnerRoute: "route", OwnerCluster: "cluster"}

func (o Owner) String() string { return ownerNames[o] }

// OptionType says which values an option takes.
type OptionType int

// The types of options.
const (
	TypeBool     OptionType = C.CARDEA_TYPE_BOOL     // bool
	TypeInt      OptionType = C.CARDEA_TYPE_INT      // any integer type
	TypeDuration OptionType = C.CARDEA_TYPE_DURATION // time.Duration in whole milliseconds, or text: "1h30m"
	TypeString   OptionType = C.CARDEA_TYPE_STRING   // string; anything else becomes JSON
	TypeStrings  OptionType = C.CARDEA_TYPE_STRINGS  // []string, map[string]string ("name: value"), or values that become JSON
)

// Option describes an option of this library's version.
type Option struct {
	Name  string // as in the configuration file
	Doc   string
	Owner Owner
	Type  OptionType
	// Numbers and durations (in milliseconds) have a range.
	HasRange          bool
	Default, Min, Max int64
}

// KnownOptions lists every option, in the order of their numbers.
func KnownOptions() []Option {
	var all []Option
	for id := C.cardea_option_next(0); id > 0; id = C.cardea_option_next(id) {
		o := Option{Name: C.GoString(C.cardea_option_name(id)), Doc: C.GoString(C.cardea_option_doc(id)),
			Owner: Owner(C.cardea_option_owner(id)), Type: OptionType(C.cardea_option_type(id))}
		var def, min, max C.int64_t
		if C.cardea_option_range(id, &def, &min, &max) == C.CARDEA_OK {
			o.HasRange, o.Default, o.Min, o.Max = true, int64(def), int64(min), int64(max)
		}
		all = append(all, o)
	}
	return all
}

// Options are settings by their names in the configuration file.
//
//	cardea.Options{"timeout": 10 * time.Second, "allow_websockets": true, "set_request_headers": map[string]string{"X-By": "go"}}
//
// A value that does not fit its option's type is an error with the option's name.
type Options map[string]any

// setter is an object that options are set on.
type setter struct {
	owner  Owner
	setInt func(option C.int, value C.int64_t) C.int
	setStr func(option C.int, s *C.char, n C.size_t) C.int
}

func (o Options) apply(what string, to setter) error {
	names := make([]string, 0, len(o))
	for name := range o {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		s, n := bytesOf(name)
		id := C.cardea_option_by_name(C.int(to.owner), s, n)
		if id < 0 {
			return failure(what, Code(id), "there is no %v option %q", to.owner, name)
		}
		if err := to.set(id, o[name]); err != nil {
			return failure(what, CodeOf(err), "option %q: %s", name, text(err))
		}
	}
	return nil
}

func text(err error) string {
	if e, ok := err.(*Error); ok && e.Message != "" {
		return e.Message
	}
	return err.Error()
}

func (t setter) set(id C.int, value any) error {
	kind := OptionType(C.cardea_option_type(id))
	if d, ok := value.(time.Duration); ok {
		if kind != TypeDuration {
			return failure("", ErrInvalid, "is not a duration")
		}
		if d%time.Millisecond != 0 {
			return failure("", ErrInvalid, "%v is not in whole milliseconds", d)
		}
		return t.int(id, d.Milliseconds())
	}
	v := reflect.ValueOf(value)
	switch {
	case value == nil:
		return failure("", ErrInvalid, "has no value")
	case kind == TypeStrings:
		return t.strings(id, v)
	case kind == TypeString:
		return t.str(id, value)
	case v.Kind() == reflect.String:
		return t.str(id, value)
	case kind == TypeBool && v.Kind() == reflect.Bool:
		if v.Bool() {
			return t.int(id, 1)
		}
		return t.int(id, 0)
	case kind == TypeInt && v.CanInt():
		return t.int(id, v.Int())
	case kind == TypeInt && v.CanUint() && v.Uint() < 1<<63:
		return t.int(id, int64(v.Uint()))
	}
	return failure("", ErrInvalid, "takes no %T", value)
}

// strings appends each element of a list or map; anything else is the only one.
func (t setter) strings(id C.int, v reflect.Value) error {
	switch {
	case v.Kind() == reflect.Slice || v.Kind() == reflect.Array:
		for i := 0; i < v.Len(); i++ {
			if err := t.str(id, v.Index(i).Interface()); err != nil {
				return err
			}
		}
		return nil
	case v.Type() == reflect.TypeOf(map[string]string(nil)):
		m := v.Interface().(map[string]string)
		names := make([]string, 0, len(m))
		for name := range m {
			names = append(names, name)
		}
		sort.Strings(names)
		for _, name := range names {
			if err := t.str(id, name+": "+m[name]); err != nil {
				return err
			}
		}
		return nil
	}
	return t.str(id, v.Interface())
}

func (t setter) int(id C.int, n int64) error {
	return ranged(id, t.setInt(id, C.int64_t(n)), n)
}

func (t setter) str(id C.int, value any) error {
	s, ok := value.(string)
	if !ok {
		if v := reflect.ValueOf(value); v.Kind() == reflect.String {
			s = v.String()
		} else {
			b, err := json.Marshal(value)
			if err != nil {
				return failure("", ErrInvalid, "%v", err)
			}
			s = string(b)
		}
	}
	p, n := bytesOf(s)
	return ranged(id, t.setStr(id, p, n), s)
}

// ranged adds the range that was left to an error.
func ranged(id, code C.int, value any) error {
	var min, max C.int64_t
	if Code(code) == ErrInvalid && C.cardea_option_range(id, nil, &min, &max) == C.CARDEA_OK {
		return failure("", ErrInvalid, "%v is not from %d to %d", value, int64(min), int64(max))
	}
	if Code(code) == ErrInvalid {
		return failure("", ErrInvalid, "%q is not a value for it", fmt.Sprint(value))
	}
	return check("", code, nil)
}

// bytesOf is the string as C takes it for the length of a call, with a NUL behind it.
func bytesOf(s string) (*C.char, C.size_t) {
	b := append([]byte(s), 0)
	return (*C.char)(unsafe.Pointer(&b[0])), C.size_t(len(s))
}

// stringOf copies what the library lent.
func stringOf(s C.cardea_str) string {
	if s.len == 0 {
		return ""
	}
	return string(unsafe.Slice((*byte)(unsafe.Pointer(s.ptr)), int(s.len)))
}
