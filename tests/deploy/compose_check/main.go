// Command deploycheck reads the deployment files with the parsers of the programs that use them:
// docker-compose.yml with the compose project's, alert rules and queries with Prometheus's, the
// Dockerfile with BuildKit's. It prints the compose project as JSON and ends with 1 on an error.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	promql "github.com/prometheus/prometheus/promql/parser"
)

func main() {
	if len(os.Args) < 3 {
		fail(errors.New("usage: deploycheck compose|rules|queries|dockerfile FILE"))
	}
	checks := map[string]func(string) error{
		"compose": compose, "rules": rules, "queries": queries, "dockerfile": dockerfile,
	}
	check, known := checks[os.Args[1]]
	if !known {
		fail(fmt.Errorf("there is no check called %s", os.Args[1]))
	}
	if err := check(os.Args[2]); err != nil {
		fail(err)
	}
}

func compose(path string) error {
	options, err := cli.NewProjectOptions([]string{path}, cli.WithName("csstream"))
	if err != nil {
		return err
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(project)
}

func rules(path string) error {
	parse := promql.NewParser(promql.Options{})
	_, errs := rulefmt.ParseFile(path, false, model.UTF8Validation, parse, slog.Default())
	return errors.Join(errs...)
}

// queries takes a JSON list of PromQL expressions.
func queries(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var expressions []string
	if err := json.Unmarshal(content, &expressions); err != nil {
		return err
	}
	parse := promql.NewParser(promql.Options{})
	for _, expression := range expressions {
		if _, err := parse.ParseExpr(expression); err != nil {
			return fmt.Errorf("%s: %w", expression, err)
		}
	}
	return nil
}

func dockerfile(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = parser.Parse(file)
	return err
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
