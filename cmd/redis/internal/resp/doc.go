// Package resp speaks RESP, the Redis serialization protocol: [Reader] takes
// requests apart, [Writer] builds replies in versions 2 and 3.
//
// It is strict where being lenient would cost memory or hide a broken client.
// Lengths beyond Redis's limits are refused at the header, numbers are decimal
// as Redis defines them (no plus sign, no leading zeros), and the two bytes
// after each argument must be CRLF. It refuses with Redis's own error texts.
//
// It knows no command, and does no input or output beyond the io.Reader it is
// given. The protocol: https://redis.io/docs/latest/develop/reference/protocol-spec/
package resp
