package container

const roleCrasher = "crasher"

func crasher() {}
