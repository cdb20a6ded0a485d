package server

import "github.com/ocikit/ocikit/cmd/redis/internal/store"

// commandTable returns all commands by name.
func commandTable() map[string]*command {
	table := map[string]*command{}
	for _, group := range [][]command{
		connectionCommands(), serverCommands(), stringCommands(), keyCommands(), collectionCommands(),
	} {
		for _, cmd := range group {
			table[cmd.name] = &cmd
		}
	}
	return table
}

// The arguments that are keys.
func noKeys() keyRange      { return keyRange{} }
func oneKey() keyRange      { return keyRange{1, 1, 1} }
func allKeys() keyRange     { return keyRange{1, -1, 1} }
func everySecond() keyRange { return keyRange{1, -1, 2} }

func connectionCommands() []command {
	return []command{
		{"auth", -2, "noscript loading stale fast no_auth allow_busy", noKeys(), "connection", "Authenticates; without passwords, only the user default can", "[username] password", cmdAuth},
		{"client", -2, "", noKeys(), "connection", "Tells about connections", "subcommand [argument ...]", cmdClient},
		{"echo", 2, "loading stale fast", noKeys(), "connection", "Replies its argument", "message", cmdEcho},
		{"hello", -1, "noscript loading stale fast no_auth allow_busy", noKeys(), "connection", "Chooses the protocol version", "[protover [AUTH username password] [SETNAME clientname]]", cmdHello},
		{"ping", -1, "fast", noKeys(), "connection", "Replies PONG, or its argument", "[message]", cmdPing},
		{"quit", -1, "noscript loading stale fast no_auth allow_busy", noKeys(), "connection", "Closes the connection", "", cmdQuit},
		{"select", 2, "loading stale fast", noKeys(), "connection", "Chooses the database", "index", cmdSelect},
	}
}

func serverCommands() []command {
	return []command{
		{"command", -1, "loading stale", noKeys(), "server", "Tells about commands", "[COUNT|DOCS|INFO|LIST [name ...]]", cmdCommand},
		{"config", -2, "", noKeys(), "server", "Tells settings", "GET pattern [pattern ...]", cmdConfig},
		{"dbsize", 1, "readonly fast", noKeys(), "server", "Counts the keys of the database", "", cmdDBSize},
		{"flushall", -1, "write", noKeys(), "server", "Removes all keys of all databases", "[ASYNC|SYNC]", cmdFlushAll},
		{"flushdb", -1, "write", noKeys(), "server", "Removes all keys of the database", "[ASYNC|SYNC]", cmdFlushDB},
		{"info", -1, "loading stale", noKeys(), "server", "Tells the state of the server", "[section [section ...]]", cmdInfo},
		{"shutdown", -1, "admin noscript loading stale no_multi allow_busy", noKeys(), "server", "Stops the server", "[NOSAVE|SAVE] [NOW] [FORCE] [ABORT]", cmdShutdown},
		{"time", 1, "loading stale fast", noKeys(), "server", "Tells the time of the server in seconds and microseconds", "", cmdTime},
	}
}

func stringCommands() []command {
	return []command{
		{"append", 3, "write denyoom fast", oneKey(), "string", "Appends to a string", "key value", cmdAppend},
		{"decr", 2, "write denyoom fast", oneKey(), "string", "Subtracts one from a number", "key", cmdDecr},
		{"decrby", 3, "write denyoom fast", oneKey(), "string", "Subtracts from a number", "key decrement", cmdDecrBy},
		{"get", 2, "readonly fast", oneKey(), "string", "Reads a string", "key", cmdGet},
		{"getdel", 2, "write fast", oneKey(), "string", "Reads a string and removes it", "key", cmdGetDel},
		{"getex", -2, "write fast", oneKey(), "string", "Reads a string and sets when it expires", "key [EX seconds|PX milliseconds|EXAT unix-time-seconds|PXAT unix-time-milliseconds|PERSIST]", cmdGetEx},
		{"incr", 2, "write denyoom fast", oneKey(), "string", "Adds one to a number", "key", cmdIncr},
		{"incrby", 3, "write denyoom fast", oneKey(), "string", "Adds to a number", "key increment", cmdIncrBy},
		{"mget", -2, "readonly fast", allKeys(), "string", "Reads strings", "key [key ...]", cmdMGet},
		{"mset", -3, "write denyoom", everySecond(), "string", "Sets strings", "key value [key value ...]", cmdMSet},
		{"psetex", 4, "write denyoom", oneKey(), "string", "Sets a string that expires", "key milliseconds value", setWithExpiry("psetex", "PX")},
		{"set", -3, "write denyoom", oneKey(), "string", "Sets a string", "key value [NX|XX] [GET] [EX seconds|PX milliseconds|EXAT unix-time-seconds|PXAT unix-time-milliseconds|KEEPTTL]", cmdSet},
		{"setex", 4, "write denyoom", oneKey(), "string", "Sets a string that expires", "key seconds value", setWithExpiry("setex", "EX")},
		{"strlen", 2, "readonly fast", oneKey(), "string", "Counts the bytes of a string", "key", cmdStrlen},
	}
}

func keyCommands() []command {
	const condition = " [NX|XX|GT|LT]"
	return []command{
		{"del", -2, "write", allKeys(), "generic", "Removes keys", "key [key ...]", cmdDel},
		{"exists", -2, "readonly fast", allKeys(), "generic", "Counts which of the keys exist", "key [key ...]", cmdExists},
		{"expire", -3, "write fast", oneKey(), "generic", "Lets a key expire", "key seconds" + condition, expire("expire", "EX")},
		{"expireat", -3, "write fast", oneKey(), "generic", "Lets a key expire", "key unix-time-seconds" + condition, expire("expireat", "EXAT")},
		{"expiretime", 2, "readonly fast", oneKey(), "generic", "Tells when a key expires", "key", ttl(false, 1000)},
		{"keys", 2, "readonly", noKeys(), "generic", "Lists the keys that match", "pattern", cmdKeys},
		{"persist", 2, "write fast", oneKey(), "generic", "Lets a key live for ever", "key", cmdPersist},
		{"pexpire", -3, "write fast", oneKey(), "generic", "Lets a key expire", "key milliseconds" + condition, expire("pexpire", "PX")},
		{"pexpireat", -3, "write fast", oneKey(), "generic", "Lets a key expire", "key unix-time-milliseconds" + condition, expire("pexpireat", "PXAT")},
		{"pexpiretime", 2, "readonly fast", oneKey(), "generic", "Tells when a key expires, in milliseconds", "key", ttl(false, 1)},
		{"pttl", 2, "readonly fast", oneKey(), "generic", "Tells the milliseconds that a key has left", "key", ttl(true, 1)},
		{"scan", -2, "readonly", noKeys(), "generic", "Lists the keys in steps", "cursor [MATCH pattern] [COUNT count] [TYPE type]", cmdScan},
		{"ttl", 2, "readonly fast", oneKey(), "generic", "Tells the seconds that a key has left", "key", ttl(true, 1000)},
		{"type", 2, "readonly fast", oneKey(), "generic", "Tells the type of a value", "key", cmdType},
		{"unlink", -2, "write fast", allKeys(), "generic", "Removes keys", "key [key ...]", cmdDel},
	}
}

func collectionCommands() []command {
	return []command{
		{"llen", 2, "readonly fast", oneKey(), "list", "Counts the elements", "key", length[store.List]},
		{"lpop", -2, "write fast", oneKey(), "list", "Takes elements from the front", "key [count]", pop("lpop", (*store.List).PopFront)},
		{"lpush", -3, "write denyoom fast", oneKey(), "list", "Adds elements to the front", "key element [element ...]", push((*store.List).PushFront)},
		{"lrange", 4, "readonly", oneKey(), "list", "Lists a range of elements", "key start stop", cmdLRange},
		{"rpop", -2, "write fast", oneKey(), "list", "Takes elements from the end", "key [count]", pop("rpop", (*store.List).PopBack)},
		{"rpush", -3, "write denyoom fast", oneKey(), "list", "Adds elements to the end", "key element [element ...]", push((*store.List).PushBack)},

		{"sadd", -3, "write denyoom fast", oneKey(), "set", "Adds members", "key member [member ...]", cmdSAdd},
		{"scard", 2, "readonly fast", oneKey(), "set", "Counts the members", "key", length[store.Set]},
		{"sismember", 3, "readonly fast", oneKey(), "set", "Tells whether a member is there", "key member", cmdSIsMember},
		{"smembers", 2, "readonly", oneKey(), "set", "Lists the members", "key", cmdSMembers},
		{"spop", -2, "write fast", oneKey(), "set", "Takes random members", "key [count]", cmdSPop},
		{"srem", -3, "write fast", oneKey(), "set", "Removes members", "key member [member ...]", cmdSRem},

		{"hdel", -3, "write fast", oneKey(), "hash", "Removes fields", "key field [field ...]", cmdHDel},
		{"hget", 3, "readonly fast", oneKey(), "hash", "Reads a field", "key field", cmdHGet},
		{"hgetall", 2, "readonly", oneKey(), "hash", "Reads all fields", "key", cmdHGetAll},
		{"hlen", 2, "readonly fast", oneKey(), "hash", "Counts the fields", "key", length[store.Hash]},
		{"hset", -4, "write denyoom fast", oneKey(), "hash", "Sets fields", "key field value [field value ...]", cmdHSet},

		{"zadd", -4, "write denyoom fast", oneKey(), "sorted-set", "Adds members or changes their scores", "key [NX|XX] [GT|LT] [CH] [INCR] score member [score member ...]", cmdZAdd},
		{"zcard", 2, "readonly fast", oneKey(), "sorted-set", "Counts the members", "key", length[store.ZSet]},
		{"zpopmin", -2, "write fast", oneKey(), "sorted-set", "Takes the members of the lowest scores", "key [count]", cmdZPopMin},
		{"zrange", -4, "readonly", oneKey(), "sorted-set", "Lists a range of members", "key start stop [BYSCORE|BYLEX] [REV] [LIMIT offset count] [WITHSCORES]", cmdZRange},
		{"zscore", 3, "readonly fast", oneKey(), "sorted-set", "Tells the score of a member", "key member", cmdZScore},
	}
}
