package server

import "fmt"

// replyError is an error reply, with its code: the texts are Redis's, as
// clients compare them.
type replyError string

func (e replyError) Error() string { return string(e) }

const (
	errSyntax    replyError = "ERR syntax error"
	errWrongType replyError = "WRONGTYPE Operation against a key holding the wrong kind of value"
	errNotInt    replyError = "ERR value is not an integer or out of range"
	errNotFloat  replyError = "ERR value is not a valid float"
	errNegative  replyError = "ERR value is out of range, must be positive"
	errTooLong   replyError = "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
)

func errArity(command string) error {
	return replyError("ERR wrong number of arguments for '" + command + "' command")
}

func errExpireTime(command string) error {
	return replyError("ERR invalid expire time in '" + command + "' command")
}

func errSubcommand(command string, sub []byte) error {
	return replyError(fmt.Sprintf("ERR unknown subcommand '%.128s'. Try %s HELP.", sub, command))
}

// errUnknown quotes the name and the beginning of the arguments.
func errUnknown(args [][]byte) error {
	var rest []byte
	for _, arg := range args[1:] {
		if len(rest) >= 128 {
			break
		}
		rest = fmt.Appendf(rest, "'%s' ", arg[:min(len(arg), 128-len(rest))])
	}
	return replyError(fmt.Sprintf("ERR unknown command '%s', with args beginning with: %s", args[0][:min(len(args[0]), 128)], rest))
}
