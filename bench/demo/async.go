package demo

import "strings"

// async begins call and returns a function that waits for its result.
func async[T any](call func() (T, error)) func() (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := call()
		done <- result{value, err}
	}()
	return func() (T, error) {
		r := <-done
		return r.value, r.err
	}
}

// numberOf is the phone number in a device's JID: 5491100000051:1@s.whatsapp.net.
func numberOf(device string) string {
	end := strings.IndexAny(device, ":@")
	if end < 0 {
		return device
	}
	return device[:end]
}
