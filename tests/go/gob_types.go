// Gob streams of every supported kind of type, with the standard library alone.
//
//	gob_types write [numbering]   writes them to standard output; "65" begins the numbers of types there, as older Go did
//	gob_types check               reads them from standard input, and says ok if each is what write writes
package main

import (
	"encoding/gob"
	"fmt"
	"io"
	"log"
	"math"
	"os"
	"reflect"
)

type Data struct {
	Name  string
	Value int
}

type Inner struct {
	Label string
	On    bool
}

type Everything struct {
	Bool    bool
	Int     int
	Small   int8
	Uint    uint64
	Float   float64
	Single  float32
	Text    string
	Bytes   []byte
	List    []int
	Texts   []string
	Array   [3]int
	Map     map[string]int
	Inner   Inner
	Inners  []Inner
	ByName  map[string]Inner
	Nested  [][]int
	Nothing string
	Pointer *Inner
}

type Before struct {
	Gone  string
	Kept  int
	Extra map[string][]complex128
	Any   interface{}
}

func everything() Everything {
	return Everything{
		Bool: true, Int: -123456789, Small: -128, Uint: math.MaxUint64, Float: -1.5e300, Single: 0.25,
		Text: "héllo", Bytes: []byte{0, 255, 10}, List: []int{1, -1, 0, math.MinInt64}, Texts: []string{"", "x"},
		Array: [3]int{1, 0, -3}, Map: map[string]int{"one": 1}, Inner: Inner{"in", true},
		Inners: []Inner{{"a", false}, {"", true}}, ByName: map[string]Inner{"k": {"v", true}},
		Nested: [][]int{{1, 2}, nil, {3}}, Pointer: &Inner{"p", false},
	}
}

func main() {
	log.SetFlags(0)
	if os.Args[1] == "write" {
		if len(os.Args) > 2 {
			gob.NewEncoder(io.Discard).Encode(struct{ Unused int }{1})
		}
		encoder := gob.NewEncoder(os.Stdout)
		for _, value := range []any{
			Data{"Example", 123}, Data{"Again", -5}, everything(), Everything{},
			Before{"g", 7, map[string][]complex128{"c": {1i}}, nil}, 17, "text", []byte("bytes"),
			[]int{1, 2, 3}, map[string]int{"a": 1}, 2.5, true, uint(300),
		} {
			if err := encoder.Encode(value); err != nil {
				log.Fatal(err)
			}
		}
		return
	}
	decoder := gob.NewDecoder(os.Stdin)
	expect := func(want any) {
		got := reflect.New(reflect.TypeOf(want))
		if err := decoder.Decode(got.Interface()); err != nil {
			log.Fatalf("%T: %v", want, err)
		}
		if !reflect.DeepEqual(got.Elem().Interface(), want) {
			log.Fatalf("got %+v, want %+v", got.Elem().Interface(), want)
		}
	}
	expect(Data{"Example", 123})
	expect(Data{"Again", -5})
	expect(everything())
	expect(Everything{})
	expect(17)
	expect("text")
	expect([]byte("bytes"))
	expect([]int{1, 2, 3})
	expect(map[string]int{"a": 1})
	expect(2.5)
	expect(true)
	expect(uint(300))
	var rest Data
	if err := decoder.Decode(&rest); err != io.EOF {
		log.Fatalf("at the end: %v", err)
	}
	fmt.Println("ok")
}
