package main

import (
	"bytes"
	"os"
	"testing"
)

// The command prints the file that cmd/licenses keeps.
func TestFaultC13LicensesCommand(t *testing.T) {
	written, err := os.ReadFile("licenses.txt")
	if err != nil {
		t.Fatal(err)
	}
	var out, errOut bytes.Buffer
	if code := run([]string{"licenses"}, &out, &errOut); code != 0 || len(written) == 0 || out.String() != string(written) {
		t.Errorf("exit %d, %d bytes, want %d; %s", code, out.Len(), len(written), errOut.String())
	}
}
