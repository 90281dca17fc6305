"""The Runnable side of a graph on a cluster, which need not be compiled in this process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drumline.runnable.batch import Batches
from drumline.runnable.face import RunnableFace
from drumline.runnable.schemas import model_of
from drumline_graph.builder import ContextT, InputT, OutputT, StateT
from drumline_graph.program import Program


class RemoteFace(RunnableFace, Batches[StateT, ContextT, InputT, OutputT]):
    """Calls over many inputs, a config bound beforehand, and what is known of input and output.

    `_program` is the graph if this process holds it; without it, input and output may be anything.
    """

    _program: Program | None

    @property
    def InputType(self) -> Any:
        """The type of the input, as far as this process knows it."""
        return Any if self._program is None else self._program.input_schema

    @property
    def OutputType(self) -> Any:
        """The type of the output, as far as this process knows it."""
        return Any if self._program is None else self._program.output_schema

    def get_input_schema(self, config: Mapping[str, Any] | None = None) -> Any:
        """The input as a pydantic class."""
        del config
        return model_of(None if self._program is None else self._program.input_schema, self.get_name("Input"))

    def get_output_schema(self, config: Mapping[str, Any] | None = None) -> Any:
        """The output as a pydantic class."""
        del config
        return model_of(None if self._program is None else self._program.output_schema, self.get_name("Output"))

    def get_input_jsonschema(self, config: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """JSON schema of the input: that of the graph, if this process holds it."""
        from drumline.graph.json_schemas import input_jsonschema

        if self._program is None:
            return dict(self.get_input_schema(config).model_json_schema())
        return input_jsonschema(self._program, self.get_name("Input"))

    def get_output_jsonschema(self, config: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """JSON schema of the output: that of the graph, if this process holds it."""
        from drumline.graph.json_schemas import output_jsonschema

        if self._program is None:
            return dict(self.get_output_schema(config).model_json_schema())
        return output_jsonschema(self._program, self.get_name("Output"))

    def get_graph(self, config: Mapping[str, Any] | None = None, *, xray: int | bool = False) -> Any:
        """The graph as something to draw; a single node, if this process does not hold it."""
        from drumline_graph.draw import drawable, drawn_alone

        del config
        return drawn_alone(str(self.name)) if self._program is None else drawable(self._program, xray)
