package cardea_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"cardea"
)

func TestDrainOfOneUser(t *testing.T) {
	s := open(t, draft(service(t).URL, cardea.AskHost("")), cardea.Hooks{Authorizer: byName()})
	ann, bob := s.held(t, "X-Who", "ann"), s.held(t, "X-Who", "bob")
	d, err := s.StartDrain(cardea.Selector{User: "ann"}, cardea.DrainOptions{Timeout: 20 * time.Millisecond, Immediate: true, By: "me"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := d.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	over(t, ann)
	state, err := d.State()
	if err != nil || state.ID != d.ID() || state.State != "done" || state.Cut != 1 || state.By != "me" || state.Strategy != "immediate" {
		t.Errorf("%+v %v", state, err)
	}
	if string(state.Selector) != `{"user":"ann"}` {
		t.Errorf("%s", state.Selector)
	}
	if live, err := s.List(ctx, cardea.Selector{}); err != nil || live.Count != 1 || live.Exchanges[0].User != "bob" {
		t.Errorf("%+v %v", live, err)
	}
	for _, err := range []error{d.Cancel(), d.Extend(time.Second)} {
		if !errors.Is(err, cardea.ErrStale) {
			t.Error(err)
		}
	}
	if n, err := s.End(ctx, cardea.Selector{}, ""); n != 1 || err != nil {
		t.Error(n, err)
	}
	over(t, bob)
}

func TestDrainExtendedCancelledAndLeft(t *testing.T) {
	s := open(t, draft(service(t).URL, cardea.Public()), cardea.Hooks{})
	held := s.held(t)
	d, err := s.StartDrain(cardea.Selector{}, cardea.DrainOptions{Timeout: time.Minute, Gradual: true, Restart: true})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is seen", func() bool {
		state, err := d.State()
		return err == nil && state.Left.HTTP == 1 && state.Strategy == "gradual" && state.LeftMS <= 60_000
	})
	if err := d.Extend(10 * time.Minute); err != nil {
		t.Error(err)
	}
	eventually(t, "it has more time", func() bool {
		state, _ := d.State()
		return state.LeftMS > 500_000
	})
	short, cancel := context.WithCancel(context.Background())
	cancel()
	if err := d.Wait(short); err != context.Canceled {
		t.Error(err)
	}
	if err := d.Cancel(); err != nil {
		t.Error(err)
	}
	receive(t, d.Over())
	if state, err := d.State(); err != nil || state.State != "cancelled" {
		t.Errorf("%+v %v", state, err)
	}
	if status, _ := s.get("/"); status != 200 { // it listens again
		t.Error(status)
	}
	// A time of none cuts what is left.
	last, err := s.StartDrain(cardea.Selector{Route: "app"}, cardea.DrainOptions{Timeout: -1})
	if err != nil {
		t.Fatal(err)
	}
	receive(t, last.Over())
	over(t, held)
}

func TestDrainsThatAreRefused(t *testing.T) {
	s := open(t, draft(service(t).URL, cardea.Public()), cardea.Hooks{})
	held := s.held(t)
	if _, err := s.StartDrain(cardea.Selector{}, cardea.DrainOptions{Immediate: true, Gradual: true}); !errors.Is(err, cardea.ErrInvalid) {
		t.Error(err)
	}
	if live, err := s.List(context.Background(), cardea.Selector{CertificateGeneration: 99}); err != nil || live.Count != 0 {
		t.Error(live, err)
	}
	descriptorsBefore := descriptors(t)
	for i := 0; i < 20; i++ { // of nobody: over at once, and nothing of them stays
		d, err := s.StartDrain(cardea.Selector{Listener: "nowhere"}, cardea.DrainOptions{})
		if err != nil {
			t.Fatal(err)
		}
		receive(t, d.Over())
	}
	eventually(t, "descriptors are closed", func() bool { return descriptors(t) <= descriptorsBefore })
	d, err := s.StartDrain(cardea.Selector{}, cardea.DrainOptions{Timeout: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.End(context.Background(), cardea.Selector{}, ""); err != nil {
		t.Error(err)
	}
	over(t, held)
	s.close(t)
	receive(t, d.Over())
	_, start := s.StartDrain(cardea.Selector{}, cardea.DrainOptions{})
	_, all := s.Drains()
	_, state := d.State()
	_, text := s.MetricsText()
	for i, err := range []error{start, all, state, text, d.Cancel(), d.Extend(1)} {
		if !errors.Is(err, cardea.ErrClosed) {
			t.Errorf("%d: %v", i, err)
		}
	}
}

func TestMetricsWithLabels(t *testing.T) {
	s := open(t, draft(service(t).URL, cardea.Public()), cardea.Hooks{})
	if status, _ := s.get("/"); status != 200 {
		t.Fatal(status)
	}
	text, err := s.MetricsText()
	if err != nil || !strings.Contains(text, "# TYPE ") || !strings.Contains(text, `route="app"`) {
		t.Error(text, err)
	}
}
