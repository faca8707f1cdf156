// Command sender sends one trace through OpenTelemetry's Go SDK and prints its id.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: sender GRPC_HOST:PORT HTTP_HOST:PORT")
	}
	ctx := context.Background()
	byGRPC, err := otlptracegrpc.New(ctx, otlptracegrpc.WithEndpoint(os.Args[1]), otlptracegrpc.WithInsecure(),
		otlptracegrpc.WithCompressor("gzip"))
	if err != nil {
		log.Fatal(err)
	}
	byHTTP, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpoint(os.Args[2]), otlptracehttp.WithInsecure(),
		otlptracehttp.WithCompression(otlptracehttp.GzipCompression))
	if err != nil {
		log.Fatal(err)
	}
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", "go"))),
		sdktrace.WithBatcher(byGRPC),
		sdktrace.WithBatcher(byHTTP),
	)
	tracer := provider.Tracer("shop", trace.WithInstrumentationVersion("1.2.3"))
	ctx, outer := tracer.Start(ctx, "outer", trace.WithSpanKind(trace.SpanKindServer))
	for i := range 20 {
		_, inner := tracer.Start(ctx, "inner", trace.WithAttributes(
			attribute.Int("i", i), attribute.Float64("half", float64(i)+0.5), attribute.StringSlice("list", []string{"a", "b"})))
		inner.AddEvent("taken", trace.WithAttributes(attribute.Bool("cold", i == 0)))
		if i == 7 {
			inner.SetStatus(codes.Error, "none left")
		}
		inner.End()
	}
	outer.End()
	if err := provider.Shutdown(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(outer.SpanContext().TraceID())
}
