package main

import (
	"encoding/json"
	"os/user"
	"strconv"
	"time"

	"github.com/ocikit/ocikit/cmd/internal/cli"
	"github.com/ocikit/ocikit/internal/printable"
	"github.com/spf13/cobra"
)

// containerState is what state and list say of a container: the state of
// runtime.md#state, with the additions that callers expect.
type containerState struct {
	Version     string            `json:"ociVersion"`
	ID          string            `json:"id"`
	Pid         int               `json:"pid"` // 0 when stopped
	Status      string            `json:"status"`
	Bundle      string            `json:"bundle"`
	Rootfs      string            `json:"rootfs"`
	Created     time.Time         `json:"created"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Owner       string            `json:"owner"`
}

func (a *app) stateCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "state ID",
		Short:             "Print the state of a container as JSON",
		Args:              cli.Args(1, 1),
		ValidArgsFunction: a.completeID,
		RunE: func(_ *cobra.Command, args []string) error {
			s, err := a.stateOf(args[0])
			if err != nil {
				return err
			}
			data, err := json.MarshalIndent(s, "", "  ")
			if err != nil {
				return err
			}
			_, err = a.stdout.Write(append(printable.JSON(data), '\n'))
			return err
		},
	}
}

// ownerName returns the name of a user, or #uid for one without a name.
func ownerName(uid int) string {
	u, err := user.LookupId(strconv.Itoa(uid))
	if err != nil {
		return "#" + strconv.Itoa(uid)
	}
	return u.Username
}
