// The API's reference: Swagger UI on the contract, which lies beside this page.

import SwaggerUI from "swagger-ui-dist/swagger-ui-es-bundle.js";
import "swagger-ui-dist/swagger-ui.css";
import "./reference.css";

SwaggerUI({ url: "/docs/openapi.yaml", domNode: document.getElementById("reference"), deepLinking: true });
