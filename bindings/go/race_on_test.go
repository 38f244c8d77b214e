//go:build race

package cardea_test

const raced = true
