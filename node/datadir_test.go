package node

import (
	"fmt"
	"testing"
)

func TestDataDirHasOneProcess(t *testing.T) {
	path := t.TempDir()
	first, err := openDataDir(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openDataDir(path); err == nil {
		t.Fatal("two processes on one data directory")
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second, err := openDataDir(path)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
}

func TestDataDirRemembersPastLives(t *testing.T) {
	path := t.TempDir()
	for life := range lives + 2 {
		d, err := openDataDir(path)
		if err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("life-%d", life)
		if d.WasMine(name) {
			t.Errorf("%s is past before it began", name)
		}
		if life > 0 && !d.WasMine(fmt.Sprintf("life-%d", life-1)) {
			t.Errorf("the life before %s is forgotten", name)
		}
		if err := d.Remember(name); err != nil {
			t.Fatal(err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
