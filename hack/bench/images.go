package main

func imageScenarios() []scenario { return nil }
