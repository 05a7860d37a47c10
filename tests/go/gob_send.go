// Sends one value as gob over TCP, with the standard library alone: gob_send ADDRESS.
package main

import (
	"encoding/gob"
	"log"
	"net"
	"os"
)

type Data struct {
	Name  string
	Value int
}

func main() {
	conn, err := net.Dial("tcp", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	if err := gob.NewEncoder(conn).Encode(Data{Name: "Example", Value: 123}); err != nil {
		log.Fatal(err)
	}
}
