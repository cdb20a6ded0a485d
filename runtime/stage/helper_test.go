package stage

func helpNoExec() error { return nil }
