package container

import "testing"

func TestDefaultRoot(t *testing.T) {
	tests := []struct {
		name string
		euid int
		xdg  string
		want string
	}{
		{"root", 0, "/run/user/0", "/run/runtime"},
		{"user", 1000, "/run/user/1000", "/run/user/1000/runtime"},
		{"user without XDG_RUNTIME_DIR", 1000, "", "/run/runtime"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := DefaultRoot(tt.euid, tt.xdg); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
