package cardea_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// What README.md shows is in example_test.go as it is, where it runs.
func TestReadmeShowsWhatRuns(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	examples, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	shown := regexp.MustCompile("(?ms)^```go\n(.*?)^```$").FindAllStringSubmatch(string(readme), -1)
	if len(shown) < 6 {
		t.Errorf("%d examples", len(shown))
	}
	for _, s := range shown {
		if !strings.Contains(string(examples), s[1]) {
			t.Errorf("this does not run:\n%s", s[1])
		}
	}
}
