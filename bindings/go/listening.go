package cardea

// #include "bridge.h"
import "C"

import (
	"os"
	"syscall"
)

// AdoptListening gives a listening TCP or unix socket that somebody else bound (systemd, a predecessor) to the listener with its
// address, which takes it instead of binding: before the first worker starts, or before Apply brings the listener. The file stays
// the caller's, to close.
func (p *Proxy) AdoptListening(socket *os.File) error {
	raw, err := socket.SyscallConn()
	if err != nil {
		return failure("adopt listening", ErrInvalid, "%v", err)
	}
	fd, errno := uintptr(0), syscall.Errno(0)
	err = raw.Control(func(own uintptr) {
		fd, _, errno = syscall.Syscall(syscall.SYS_FCNTL, own, syscall.F_DUPFD_CLOEXEC, 0)
	})
	if err != nil {
		return failure("adopt listening", ErrInvalid, "%v", err)
	}
	if errno != 0 {
		return &Error{Op: "adopt listening", Code: ErrIO, Message: errno.Error(), Errno: errno}
	}
	err = p.with("adopt listening", func(h *C.cardea_proxy) error {
		var said *C.cardea_error
		return check("adopt listening", C.cardea_proxy_adopt_listening(h, C.int(fd), &said), said)
	})
	if err != nil {
		syscall.Close(int(fd))
	}
	return err
}

// ListeningFiles are new descriptors of all sockets that the workers accept from, to pass to a successor (exec.Cmd.ExtraFiles),
// which adopts every one of them. Drain this proxy when the successor serves, and no connection is refused or lost.
func (p *Proxy) ListeningFiles() ([]*os.File, error) {
	var files []*os.File
	err := p.with("listening files", func(h *C.cardea_proxy) error {
		for room := C.size_t(16); ; {
			fds := make([]C.int, room)
			var count C.size_t
			if err := check("listening files", C.cardea_proxy_listening_fds(h, &fds[0], room, &count), nil); err != nil {
				return err
			}
			if count > room {
				for _, fd := range fds {
					syscall.Close(int(fd))
				}
				room = count
				continue
			}
			for _, fd := range fds[:count] {
				files = append(files, os.NewFile(uintptr(fd), "cardea listener"))
			}
			return nil
		}
	})
	return files, err
}
