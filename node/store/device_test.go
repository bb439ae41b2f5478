package store

import (
	"reflect"
	"testing"
)

// A device is as whatsmeow's own store reads it, every field of it.
func TestDeviceIsAsWhatsmeowReadsIt(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s, ctx := open(t, url, "n1"), deadline(t)
		_, device, _ := paired(t, s, 5, 10, "5491100000001")
		if _, err := s.db.Exec(ctx, `UPDATE whatsmeow_device SET lid = '7@lid', platform = 'android', business_name = 'b', push_name = 'p',
			facebook_uuid = '0b1c7e2e-6b0c-4a4c-9d0a-3f0d6f1f1f11', lid_migration_ts = 17, companion_meta_nonce = 'n'`); err != nil {
			t.Fatal(err)
		}
		a, _ := own(t, s, 5, 11)
		got, err := a.Device(ctx)
		if err != nil {
			t.Fatal(err)
		}
		want, err := a.container.GetDevice(ctx, *device.ID)
		if err != nil {
			t.Fatal(err)
		}
		for field, value := range reflect.ValueOf(got).Elem().Fields() {
			switch {
			case field.Type.Kind() == reflect.Interface || field.Name == "Deleted":
			case value.IsZero():
				t.Errorf("%s is not read, or not set in this test", field.Name)
			case !reflect.DeepEqual(value.Interface(), reflect.ValueOf(want).Elem().FieldByIndex(field.Index).Interface()):
				t.Errorf("%s is %v", field.Name, value)
			}
		}
	})
}

// The count that came with the device is told once; then prekeys may have gone.
func TestUploadedPreKeyCount(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s, ctx := open(t, url, "n1"), deadline(t)
		_, device, _ := paired(t, s, 5, 10, "5491100000001")
		if _, err := device.PreKeys.GetOrGenPreKeys(ctx, 12); err != nil {
			t.Fatal(err)
		}
		if err := device.PreKeys.MarkPreKeysAsUploaded(ctx, 7); err != nil {
			t.Fatal(err)
		}
		a, _ := own(t, s, 5, 11)
		device, err := a.Device(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []int{7, 7} {
			if n, err := device.PreKeys.UploadedPreKeyCount(ctx); err != nil || n != want {
				t.Errorf("%d uploaded, %v; want %d", n, err, want)
			}
		}
		if err := device.PreKeys.RemovePreKey(ctx, 3); err != nil {
			t.Fatal(err)
		}
		if n, err := device.PreKeys.UploadedPreKeyCount(ctx); err != nil || n != 6 {
			t.Errorf("%d uploaded, %v; want 6", n, err)
		}
	})
}
